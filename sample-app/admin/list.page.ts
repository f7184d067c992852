import type { SessionView, SessionViewPage } from 'nestjs-session-stores';
import { deviceOf } from '../account/device.js';
import { csrfField } from '../pages/csrf.js';
import { html, type Html } from '../pages/html.js';
import type { Page } from '../pages/page.js';
import { time } from '../pages/time.js';
import type { ListDto } from './admin.dto.js';
import { endGroupForm } from './end-group.form.js';

export const listPage = (
  { group, after }: ListDto,
  { views, next }: SessionViewPage,
  current: string,
): Page => ({
  title: 'Sessions',
  scripts: ['forms', 'live'],
  events: '/events',
  main: ({ csrf }) =>
    html` <header class="intro row">
        <div>
          <p class="note"><a href="/admin">Admin</a></p>
          <h1>${group === undefined ? 'All sessions' : html`Sessions of <bdi>${group}</bdi>`}</h1>
        </div>
        ${group !== undefined && views.length > 0 && endGroupForm(group, csrf, html`<button>End all of them</button>`)}
      </header>
      <div class="card">
        ${views.length === 0 ? nothing(next !== undefined) : table(views, current, csrf)}
        <nav class="actions" aria-label="Pages">
          ${after !== undefined && html`<a class="button" href="${pathOf(group)}">First page</a>`}
          ${next !== undefined && html`<a class="button" href="${pathOf(group, next)}">Next page</a>`}
        </nav>
      </div>`,
});

const nothing = (hasMore: boolean): Html =>
  html` <div class="empty">
    <p>${hasMore ? 'These have ended meanwhile. There are more on the next page.' : 'No sessions here.'}</p>
  </div>`;

function pathOf(group: string | undefined, after?: string): string {
  const query = new URLSearchParams();
  if (group !== undefined) query.set('group', group);
  if (after !== undefined) query.set('after', after);
  return `/admin/sessions${query.size > 0 ? `?${query}` : ''}`;
}

const table = (views: readonly SessionView[], current: string, csrf: string): Html =>
  html` <table>
    <thead>
      <tr>
        <th scope="col">User</th>
        <th scope="col">Device</th>
        <th scope="col">Active</th>
        <th scope="col">Expires</th>
        <th scope="col"><span class="hidden">Action</span></th>
      </tr>
    </thead>
    <tbody>
      ${views.map((view) => row(view, current, csrf))}
    </tbody>
  </table>`;

const row = (view: SessionView, current: string, csrf: string): Html => {
  const { name, seenAt, isCurrent } = deviceOf(view, current);
  const { id, data, expiresAt } = view;
  return html` <tr>
    <th scope="row">
      <bdi>${data.user ?? 'Not signed in'}</bdi>${isCurrent && html` <span class="badge">You</span>`}
    </th>
    <td>${name}</td>
    <td data-label="Active">${time(seenAt)}</td>
    <td data-label="Expires">${time(expiresAt)}</td>
    <td>
      <form method="post" action="/admin/sessions/end">
        ${csrfField(csrf)}
        <input type="hidden" name="id" value="${id}" />
        <button class="quiet">
          End<span class="hidden"> the session of ${data.user ?? 'a visitor'}, ${name}</span>
        </button>
      </form>
    </td>
  </tr>`;
};
