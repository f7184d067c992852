import { csrfField } from './csrf.js';
import { html, type Html } from './html.js';
import type { Page } from './page.js';

/** A page with a form of one field. */
export interface OneField {
  title: string;
  heading: string;
  lead: string;
  /** The path that the form is sent to. */
  action: string;
  label: string;
  /** The name and id of the field. */
  name: string;
  /** Further attributes of the field. */
  attributes: Html;
  button: string;
  /** What to say of a value that was rejected. */
  rejection: string;
}

/** @param problem the query parameter `problem`: why the form is shown again */
export function oneFieldPage(field: OneField, problem: string): Page {
  const mistake = new Map([
    ['input', field.rejection],
    ['stale', 'The form was out of date. Please try again.'],
  ]).get(problem);
  return {
    title: field.title,
    scripts: ['forms'],
    main: ({ csrf }) =>
      html` <section class="narrow">
        <h1>${field.heading}</h1>
        <p class="lead">${field.lead}</p>
        <form class="stack card" method="post" action="${field.action}">
          ${csrfField(csrf)}
          <div class="field">
            <label for="${field.name}">${field.label}</label>
            <input
              id="${field.name}"
              name="${field.name}"
              required
              autofocus
              ${field.attributes}
              ${mistake && html`aria-invalid="true" aria-describedby="mistake"`}
            />
            ${mistake && html`<p class="mistake" id="mistake">${mistake}</p>`}
          </div>
          <button class="primary">${field.button}</button>
        </form>
      </section>`,
  };
}
