// Waits until the store responds, and opens the page again.
const link = document.querySelector('.error a');
const status = document.querySelector('[data-retry]');
const EVERY = 1000;

async function look() {
  const isBack = await fetch(link.href, { headers: { accept: 'text/html' } }).then(
    (response) => response.status !== 503,
    () => false,
  );
  if (isBack) location.assign(link.href);
  else setTimeout(look, EVERY);
}

status.textContent = 'This page tries again by itself.';
setTimeout(look, EVERY);
