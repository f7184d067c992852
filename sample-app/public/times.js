// Turns instants into "2 minutes ago", and keeps them so.
const format = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const UNITS = [
  ['hour', 3600],
  ['minute', 60],
];

export function showTimes(root = document) {
  for (const element of root.querySelectorAll('time')) {
    element.title ||= element.textContent;
    element.textContent = relative((Date.parse(element.dateTime) - Date.now()) / 1000);
  }
}

function relative(seconds) {
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return format.format(Math.round(seconds / size), unit);
  }
  return seconds > 0 ? 'in a moment' : 'just now';
}

setInterval(showTimes, 10_000);
