import { csrfField } from './csrf.js';
import { html, type Html } from './html.js';
import type { Page } from './page.js';
import { worker, type Visitor } from './visitor.js';

/** A whole page. `visitor` is absent where the session could not be read. */
export const layout = (
  { title, main, events, scripts = [] }: Omit<Page, 'main'> & { main: Html },
  visitor?: Visitor,
): string =>
  html`<!doctype html>
    <html lang="en" ${visitor?.theme && html`data-theme="${visitor.theme}"`}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · Kiln</title>
        <link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/assets/style.css" />
        ${scriptsFor(scripts, visitor).map((name) => html`<script src="/assets/${name}.js" type="module"></script>`)}
      </head>
      <body ${events && html`data-events="${events}"`}>
        <a class="skip" href="#main">Skip to the content</a>
        ${header(visitor)}
        <main id="main" tabindex="-1">
          ${visitor?.notice !== undefined && html`<p class="notice" role="status">${visitor.notice}</p>`}
          ${main}
        </main>
        ${visitor?.user !== undefined && stay(visitor)} ${footer()}
      </body>
    </html> `.text;

const header = (visitor: Visitor | undefined): Html =>
  html` <header class="bar">
    <a class="brand" href="/">Kiln</a>
    <nav aria-label="Main">
      ${visitor?.user !== undefined && html`${link('/shop', 'Shop', visitor)}${link('/account', 'Account', visitor)}`}
      ${link('/admin', 'Admin', visitor)}
    </nav>
    ${visitor && (visitor.user === undefined ? html`<a class="button quiet" href="/sign-in">Sign in</a>` : who(visitor.user, visitor.csrf))}
  </header>`;

const link = (href: string, text: string, visitor: Visitor | undefined): Html => {
  const isHere = visitor?.path === href || visitor?.path.startsWith(`${href}/`);
  return html`<a href="${href}" ${isHere && html`aria-current="page"`}>${text}</a>`;
};

const who = (user: string, csrf: string): Html =>
  html` <form class="who" method="post" action="/sign-out">
    ${csrfField(csrf)}
    <bdi class="name" title="${user}">${user}</bdi>
    <button class="quiet">Sign out</button>
  </form>`;

const scriptsFor = (scripts: readonly string[], visitor: Visitor | undefined): readonly string[] =>
  visitor?.user === undefined ? scripts : [...scripts, 'remaining'];

/** Hidden until the session is about to expire. */
const stay = ({ left, csrf }: Visitor): Html =>
  html` <form class="stay" method="post" action="/session/stay" data-left="${left}" hidden>
    ${csrfField(csrf)}
    <p role="alert">Stay signed in? You will be signed out soon.</p>
    <output></output>
    <button class="primary">Stay signed in</button>
  </form>`;

const footer = (): Html =>
  html` <footer class="foot">
    <p>Answered by <strong>worker ${worker.number}</strong>, process ${worker.pid}</p>
    <p>Sessions in <strong>${process.env['STORE']}</strong> · <a href="/">About this sample</a></p>
  </footer>`;
