// Creates the demo sessions in parts, to show how far it is.
const form = document.querySelector('[data-demo]');
const PART = 100;

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = form.querySelector('button');
  if (button.disabled) return;
  button.disabled = true;
  const progress = form.querySelector('progress');
  const output = form.querySelector('output');
  progress.value = 0;
  form.querySelector('.progress').hidden = false;
  try {
    while (progress.value < progress.max) {
      output.textContent = `${progress.value} of ${progress.max}`;
      await createSome(Math.min(PART, progress.max - progress.value));
      progress.value += PART;
    }
    location.assign(`/admin?notice=demo&count=${progress.max}`);
  } catch {
    output.textContent = `It stopped at ${progress.value}. Please try again.`;
    button.disabled = false;
  }
});

async function createSome(count) {
  const body = new URLSearchParams({ csrf: form.elements.csrf.value, count });
  const { ok } = await fetch('/admin/demo/some', { method: 'POST', body });
  if (!ok) throw new Error('not created');
}
