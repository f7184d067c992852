import { html, type Html } from './html.js';

interface ErrorText {
  title: string;
  text: string;
}

const TEXTS: Record<number, ErrorText> = {
  400: { title: 'Please check what you entered', text: 'Nothing was changed.' },
  403: {
    title: 'This form is out of date',
    text: 'It belongs to another sign-in. Nothing was changed. Go back, reload the page, and try again.',
  },
  404: { title: 'There is no such page', text: 'It may have moved, or the address has a mistake.' },
  503: {
    title: 'The store does not respond',
    text: 'Sessions cannot be read at the moment. You stay signed in. Please try again soon.',
  },
};

const OTHER: ErrorText = { title: 'Something went wrong', text: 'It was logged. Please try again.' };

export const titleOf = (status: number): string => (TEXTS[status] ?? OTHER).title;

/** What a browser sees instead of a page that failed. `details` are for its user. */
export const errorMain = (status: number, path: string, details: readonly string[] = []): Html =>
  html` <section class="error">
    <p class="code">${status}</p>
    <h1>${titleOf(status)}</h1>
    <p>${(TEXTS[status] ?? OTHER).text}</p>
    ${
      details.length > 0 &&
      html`<ul>
        ${details.map((detail) => html`<li>${detail}</li>`)}
      </ul>`
    }
    ${
      status === 503
        ? html` <p class="waiting" role="status" data-retry></p>
            <a class="button" href="${path}">Try again</a>`
        : html`<a class="button" href="/">To the start page</a>`
    }
  </section>`;
