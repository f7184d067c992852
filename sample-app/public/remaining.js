// Asks whether to stay signed in before an unused session expires. Other tabs may use the session meanwhile, so it asks the
// server how much time is left, by a request that does not count as use.
const form = document.querySelector('[data-left]');
const output = form.querySelector('output');
/** How long before the end the question comes, in milliseconds. */
const ASK_BEFORE = 2 * 60_000;
/** How often the server is asked while the question is shown, and before that, in milliseconds. */
const OFTEN = 5_000;
const RARELY = 60_000;

// The clock of this device may be wrong, or be changed.
let end = performance.now() + Number(form.dataset.left);
let asked = performance.now();

async function show() {
  let left = end - performance.now();
  const every = left > ASK_BEFORE ? RARELY : OFTEN;
  if (left <= 0 || performance.now() - asked > every) left = await ask('/session/remaining');
  if (left <= 0) return location.replace('/sign-in?notice=ended');
  form.hidden = left > ASK_BEFORE;
  const seconds = Math.ceil(left / 1000);
  output.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  setTimeout(show, 1000);
}

/** Resolves to how much time is left. A server that fails does not end the countdown. */
async function ask(path, options) {
  asked = performance.now();
  try {
    const response = await fetch(path, options);
    if (response.ok) end = performance.now() + (await response.json()).left;
    else if (response.status === 403) end = 0;
    else end = Math.max(end, performance.now() + OFTEN);
  } catch {
    end = Math.max(end, performance.now() + OFTEN);
  }
  return end - performance.now();
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const body = new URLSearchParams({ csrf: form.elements.csrf.value });
  form.hidden = (await ask(form.action, { method: 'POST', body })) > ASK_BEFORE;
});

show();
