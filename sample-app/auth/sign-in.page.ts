import { csrfField } from '../pages/csrf.js';
import { html } from '../pages/html.js';
import type { Page } from '../pages/page.js';

/** What was wrong with the form, by the values of `problem`. */
const PROBLEMS = new Map([
  ['input', 'Enter a name of 1 to 64 characters.'],
  ['stale', 'The form was out of date. Please try again.'],
]);

export function signInPage(problem: string): Page {
  const mistake = PROBLEMS.get(problem);
  return {
    title: 'Sign in',
    scripts: ['forms'],
    main: ({ csrf }) =>
      html` <section class="narrow">
        <h1>Sign in</h1>
        <p class="lead">
          Any name will do. Use the same one in a second browser to see both as your devices.
        </p>
        <form class="stack card" method="post" action="/sign-in">
          ${csrfField(csrf)}
          <div class="field">
            <label for="user">Name</label>
            <input
              id="user"
              name="user"
              required
              maxlength="128"
              autocomplete="username"
              autofocus
              ${mistake && html`aria-invalid="true" aria-describedby="mistake"`}
            />
            ${mistake && html`<p class="mistake" id="mistake">${mistake}</p>`}
          </div>
          <button class="primary">Sign in</button>
        </form>
      </section>`,
  };
}
