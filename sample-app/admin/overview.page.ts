import { csrfField } from '../pages/csrf.js';
import { html, type Html } from '../pages/html.js';
import type { Page } from '../pages/page.js';
import { MOST_DEMO } from './admin.dto.js';
import type { Group, Overview } from './admin.service.js';
import { endGroupForm } from './end-group.form.js';

const number = new Intl.NumberFormat('en-GB');

export const overviewPage = (overview: Overview): Page => ({
  title: 'Admin',
  scripts: ['forms', 'live', 'demo'],
  events: '/events',
  main: ({ csrf }) =>
    html` <header class="intro row">
        <h1>Behind the counter</h1>
        <form method="post" action="/admin/sign-out">${csrfField(csrf)}<button>Leave</button></form>
      </header>
      ${figures(overview)}
      <div class="two">
        <section aria-labelledby="groups">
          <h2 id="groups">Groups by size</h2>
          <div class="card">${groupList(overview, csrf)}</div>
        </section>
        <div>
          <section aria-labelledby="demo">
            <h2 id="demo">Demo sessions</h2>
            <form class="card stack" method="post" action="/admin/demo" data-demo>
              ${csrfField(csrf)}
              <input type="hidden" name="count" value="${MOST_DEMO}" />
              <p>Made-up visitors, in the group <code>demo</code>, who leave after half an hour.</p>
              <p class="progress" hidden>
                <progress
                  id="created"
                  max="${MOST_DEMO}"
                  value="0"
                  aria-label="Demo sessions created"
                ></progress>
                <output for="created"></output>
              </p>
              <button>Create ${number.format(MOST_DEMO)} sessions</button>
            </form>
          </section>
          <section aria-labelledby="outage">
            <h2 id="outage">A failing store</h2>
            <form class="card stack" method="post" action="/admin/outage">
              ${csrfField(csrf)}
              <p>
                Every call to the store then times out after ${overview.timeout / 1_000} s, in all workers of
                this app, and every page that needs a session is a 503. It ends by itself.
              </p>
              <div class="field">
                <label for="seconds">For how long</label>
                <select id="seconds" name="seconds">
                  ${[5, 10, 30].map((seconds) => html`<option value="${seconds}" ${seconds === 10 && html`selected`}>${seconds} seconds</option>`)}
                </select>
              </div>
              <button>Let it fail</button>
            </form>
          </section>
        </div>
      </div>`,
});

const figures = ({ sessions, latency }: Overview): Html =>
  html` <dl class="figures">
    <div>
      <dt>Live sessions</dt>
      <dd>${number.format(sessions)}</dd>
      <dd class="note"><a href="/admin/sessions">Look at them</a></dd>
    </div>
    <div>
      <dt>Store</dt>
      <dd>${process.env['STORE']}</dd>
      <dd class="note">reachable</dd>
    </div>
    <div>
      <dt>A read takes</dt>
      <dd>${latency.toFixed(1)} ms</dd>
      <dd class="note">just now, from this worker</dd>
    </div>
  </dl>`;

const groupList = ({ groups, walked, sessions }: Overview, csrf: string): Html => {
  if (groups.length === 0) return html`<div class="empty"><p>No session is in a group yet.</p></div>`;
  const largest = groups[0]!.size;
  return html` <ul class="groups">
      ${groups.map((group) => groupItem(group, largest, csrf))}
    </ul>
    <p class="note">
      ${walked < sessions ? `From the first ${number.format(walked)} sessions of ${number.format(sessions)}.` : 'From all sessions.'}
    </p>`;
};

const groupItem = ({ name, size }: Group, largest: number, csrf: string): Html =>
  html` <li>
    <a class="what" href="/admin/sessions?group=${encodeURIComponent(name)}"><bdi>${name}</bdi></a>
    <meter min="0" max="${largest}" value="${size}" aria-label="Sessions in ${name}"></meter>
    <span class="count">${number.format(size)}</span>
    ${endGroupForm(name, csrf, html`<button class="quiet">End<span class="hidden"> all sessions of ${name}</span></button>`)}
  </li>`;
