/**
 * What a page says about the action before it, by the value of `notice` in its address. Not in the session: two tabs
 * share it, and one would show what the other has done.
 */
const NOTICES = new Map<string, (count: number) => string>([
  ['required', () => 'Please sign in to see that page.'],
  [
    'ended',
    () =>
      'You were signed out on this device. It was done on another one, or too many were signed in. Sign in to continue.',
  ],
  ['bye', () => 'You are signed out. See you soon.'],
  ['everywhere', () => 'You are signed out on all devices.'],
  ['theme', () => 'The theme is saved.'],
  ['language', () => 'The language is saved.'],
  ['order', () => 'Thank you for your order. This is only a sample, so nothing will arrive.'],
  ['device', () => 'The device is signed out.'],
  ['renamed', () => 'The name of the device is saved.'],
  ['device-gone', () => 'That device was signed out already.'],
  [
    'others',
    (count) => (count === 1 ? '1 other device is signed out.' : `${count} other devices are signed out.`),
  ],
  ['session', () => 'The session is ended.'],
  ['session-gone', () => 'That session had ended already.'],
  [
    'group',
    (count) => `${count === 1 ? '1 session is' : `${count} sessions are`} ended. Your own is spared.`,
  ],
  ['demo', (count) => `${count} demo sessions were created.`],
  ['outage', (count) => `The store fails for ${count} seconds, in all workers. Open any page to see it.`],
]);

/** The notice that an address asks for. Anything may be in an address. */
export function noticeOf(query: Record<string, unknown>): string | undefined {
  const count = Number(query['count'] ?? 0);
  return Number.isSafeInteger(count) ? NOTICES.get(String(query['notice']))?.(count) : undefined;
}

/** Where `@Redirect()` leads: to `path`, which shows the notice. */
export const withNotice = (path: string, notice: string, count?: number): { url: string } => ({
  url: `${path}?notice=${notice}${count === undefined ? '' : `&count=${count}`}`,
});
