import { csrfField } from '../pages/csrf.js';
import { html } from '../pages/html.js';
import type { Page } from '../pages/page.js';

const PROBLEMS = new Map([
  ['input', 'That is not the password.'],
  ['stale', 'The form was out of date. Please try again.'],
]);

export const adminSignInPage = (problem: string): Page => {
  const mistake = PROBLEMS.get(problem);
  return {
    title: 'Admin',
    scripts: ['forms'],
    main: ({ csrf }) =>
      html` <section class="narrow">
        <h1>Behind the counter</h1>
        <p class="lead">The password is in the first line that the sample app printed when it started.</p>
        <form class="stack card" method="post" action="/admin/sign-in">
          ${csrfField(csrf)}
          <div class="field">
            <label for="password">Password</label>
            <input
              id="password"
              name="password"
              type="password"
              required
              autocomplete="current-password"
              autofocus
              ${mistake && html`aria-invalid="true" aria-describedby="mistake"`}
            />
            ${mistake && html`<p class="mistake" id="mistake">${mistake}</p>`}
          </div>
          <button class="primary">Open</button>
        </form>
      </section>`,
  };
};
