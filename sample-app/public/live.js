// Keeps a page up to date by server-sent events: its list of devices, and whether it is still signed in.
import { showTimes } from './times.js';

const { events } = document.body.dataset;
/** How long the message stays before the sign-in page comes, in milliseconds. */
const READ_FOR = 2500;
/** How long to wait before the next attempt when the server responds with an error, in milliseconds. */
const RETRY = 2000;

let source;

function connect() {
  source?.close();
  source = new EventSource(events);
  source.addEventListener('devices', ({ data }) =>
    update(document.querySelector('[data-live="devices"]'), data),
  );
  source.addEventListener('signed-out', leave);
  source.addEventListener('error', ({ target }) => {
    // The browser connects again by itself, except after an error status.
    if (target.readyState === EventSource.CLOSED && target === source) setTimeout(connect, RETRY);
  });
}

// A browser has few connections to a server: pages that nobody sees leave theirs to others.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) source.close();
  else connect();
});

/** Replaces what has changed, by the keys of the elements, so that the focus stays where it is. */
function update(element, markup) {
  const template = document.createElement('template');
  template.innerHTML = markup;
  showTimes(template.content);
  merge(element, template.content);
  const others = document.querySelector('[data-others]');
  if (others) others.disabled = element.querySelectorAll('.device').length === 1;
}

function merge(element, wanted) {
  const before = new Map([...element.children].map((child) => [child.dataset.key, child]));
  const children = [...wanted.children].map((child) => {
    const old = before.get(child.dataset.key);
    if (!old) return child;
    if (child.dataset.key === 'devices') merge(old, child);
    // A name that is being written stays.
    else if (old.querySelector('details[open]')) return old;
    else if (old.innerHTML !== child.innerHTML) old.replaceChildren(...child.childNodes);
    return old;
  });
  for (const old of before.values()) if (!children.includes(old)) old.remove();
  for (const [index, child] of children.entries()) {
    if (element.children[index] !== child) element.insertBefore(child, element.children[index] ?? null);
  }
}

function leave() {
  source.close();
  const path = location.pathname.startsWith('/admin') ? '/admin/sign-in' : '/sign-in?notice=ended';
  const dialog = document.createElement('dialog');
  dialog.setAttribute('aria-labelledby', 'ended');
  dialog.innerHTML = `
    <h2 id="ended">You were signed out</h2>
    <p>It was done in another tab or on another device, or too many devices were signed in.
      The sign-in page opens in a moment.</p>
    <a class="button primary" href="${path}">Sign in again</a>`;
  document.body.append(dialog);
  dialog.showModal();
  setTimeout(() => location.replace(path), READ_FOR);
}

showTimes();
connect();
