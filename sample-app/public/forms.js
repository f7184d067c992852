// What was done is said once, not again after a reload.
const here = new URL(location.href);
if (here.searchParams.has('notice')) {
  for (const name of ['notice', 'count']) here.searchParams.delete(name);
  history.replaceState(null, '', here);
}

// A form is sent once, however often its button is clicked.
document.addEventListener('submit', (event) => {
  if (event.defaultPrevented) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = 'true';
});

addEventListener('pageshow', ({ persisted }) => {
  // A page from the browser's memory may be that of a session that has ended.
  if (persisted) location.reload();
});
