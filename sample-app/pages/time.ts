import { html, type Html } from './html.js';

const format = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  timeZone: 'UTC',
  timeZoneName: 'short',
});

/** An instant, which `times.js` turns into "2 minutes ago". */
export const time = (instant: number): Html =>
  html`<time datetime="${new Date(instant).toISOString()}">${format.format(instant)}</time>`;
