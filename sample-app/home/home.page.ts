import { html } from '../pages/html.js';
import type { Page } from '../pages/page.js';
import { worker } from '../pages/visitor.js';

const ROUTES: readonly [request: string, does: string][] = [
  ['POST /login', 'Starts a session for {"user"}.'],
  ['GET /me', 'Who you are, your preferences, and how often you asked since you logged in.'],
  ['PUT /preferences/theme', 'Sets the theme to {"value"}.'],
  ['PUT /preferences/language', 'Sets the language to {"value"}.'],
  ['GET /sessions', 'Lists your sessions on all devices.'],
  ['DELETE /sessions/:key', 'Ends one of them.'],
  ['POST /logout', 'Ends this session.'],
  ['POST /logout-others', 'Ends your other sessions and says how many.'],
  ['POST /logout-everywhere', 'Ends all your sessions and says how many.'],
];

/** What can be done here, for whoever opens `url`. */
export const homePage = (url: string): Page => ({
  title: 'Sign-in sessions of a small shop',
  main: ({ user }) =>
    html` <section class="hero">
        <div>
          <h1>Sign-in sessions of a small shop</h1>
          <p class="lead">
            Several processes serve this shop, and all of them see the same sessions. This page came from
            worker ${worker.number}; the next one may come from another.
          </p>
          <p class="actions">
            <a class="button primary" href="${user === undefined ? '/sign-in' : '/shop'}"
              >${user === undefined ? 'Sign in' : 'Go to the shop'}</a
            >
            <a class="button" href="/admin">Look behind the counter</a>
          </p>
        </div>
        <svg class="art hero-art" viewBox="0 0 220 150" aria-hidden="true">
          <path class="line" d="M8 128h204" />
          <path d="M26 74h40v36a14 14 0 0 1-14 14H40a14 14 0 0 1-14-14z" />
          <path class="line" d="M66 84h6a11 11 0 0 1 0 22h-6" />
          <path class="glaze" d="M26 74h40v14c-6 5-9-3-14 2s-8 4-13 0-8 2-13-2z" />
          <path class="line" d="M119 40c0-14 7-22 16-27M119 34c-2-8-7-11-14-12" />
          <path d="M111 40h16v16c0 9 20 18 20 38 0 15-8 26-16 30h-24c-8-4-16-15-16-30 0-20 20-29 20-38z" />
          <path class="glaze" d="M111 40h16v16c0 7 11 13 17 25-10 6-16-4-24 1s-17 4-26-1c6-12 17-18 17-25z" />
          <path d="M154 96h54c0 14-9 24-18 27h-18c-9-3-18-13-18-27z" />
          <path class="glaze" d="M154 96h54l-1 8c-8 4-12-3-18 1s-11 3-17 0-10 2-17-1z" />
        </svg>
      </section>
      <section class="three" aria-label="Things to try">
        <article>
          <h2>Two browsers</h2>
          <p>Sign in twice under one name. End one from the other, and watch it leave at once.</p>
        </article>
        <article>
          <h2>Two tabs</h2>
          <p>Save the theme in one and the language in the other, at the same moment. Both are kept.</p>
        </article>
        <article>
          <h2>A bad day</h2>
          <p>As the admin, create thousands of sessions, or let the store fail and see what visitors see.</p>
        </article>
      </section>
      <section aria-labelledby="json">
        <h2 id="json">The same as JSON</h2>
        <p>Two devices of one user, each with a cookie jar of its own:</p>
        <pre tabindex="0" aria-label="Commands">
url=${url} json='content-type: application/json'

curl -c laptop -H "$json" -d '{"user":"ada"}' $url/login
curl -c phone  -H "$json" -d '{"user":"ada"}' $url/login

curl -b laptop -c laptop $url/me
curl -b laptop -c laptop -X PUT -H "$json" -d '{"value":"dark"}' $url/preferences/theme
curl -b laptop -c laptop $url/me

curl -b laptop -c laptop $url/sessions
curl -b laptop -c laptop -X POST $url/logout-others
curl -b phone  -c phone  $url/me    # 401: the phone is logged out</pre>
        <dl class="routes">
          ${ROUTES.map(
            ([request, does]) =>
              html`<div>
                <dt><code>${request}</code></dt>
                <dd>${does}</dd>
              </div>`,
          )}
        </dl>
        <p class="note">
          Without a login they respond with 401, except <code>/login</code> and <code>/logout</code>.
        </p>
      </section>`,
});
