import type { Aspect } from './observe.js';

/** Intentional differences: one line each of the table in `docs/reference/express.md`, and the behaviours that show it. */
export const better: { because: string; where: Record<string, readonly Aspect[]> }[] = [
  {
    because: 'only what changed is written; the expiry moves when a tenth of the lifetime has passed',
    where: {
      'without resave an unchanged session is touched': ['touches'],
      'without resave an unchanged session with a maxAge is touched': ['touches'],
      'resave and saveUninitialized are true by default': ['calls'],
      'with resave an unchanged session is saved': ['calls'],
      'with resave an unchanged session with a maxAge is saved': ['calls'],
      'save works for an unchanged session': ['calls'],
      'save stores the session at once and it is not saved again at the end': ['touches'],
    },
  },
  {
    because:
      'a token holds a secret next to the session id: a cookie of express-session is not a token and is never looked up',
    where: { 'a session id that the store does not have is replaced by a new one': ['calls'] },
  },
  {
    because: 'destroying a session removes its cookie from the client',
    where: {
      'destroy removes the session': ['cookies', 'calls'],
      'with unset destroy req.session = null destroys the stored session': ['cookies', 'calls'],
      'with unset destroy delete req.session destroys the stored session': ['cookies', 'calls'],
      'a session expires when its cookie.expires is set to the past': ['cookies', 'calls'],
    },
  },
  {
    because: 'a session that is not stored is neither read nor destroyed',
    where: {
      'destroy works for a session that is not stored': ['calls'],
      'regenerate works for a session that is not stored': ['calls'],
      'save after reload stores changes to req.session': ['calls'],
      'calls with a callback return the session': ['calls'],
    },
  },
  {
    because: 'a session is never stored without its cookie being sent',
    where: {
      'save works for an empty new session': ['cookies', 'calls'],
      'a new session is changed after the first bytes of the response': ['calls'],
    },
  },
  {
    because: 'a session that was destroyed meanwhile does not come back',
    where: { 'a session that was destroyed meanwhile is changed by a slower request': ['body'] },
  },
  {
    because: 'the changes of a request are saved even if its client has disconnected',
    where: { 'the socket is destroyed halfway through the response': ['calls'] },
  },
  {
    because:
      'no response is sent before the session is saved: if the store fails, the response is a 503 and never a false success',
    where: {
      'the store fails to read': ['status', 'body', 'errors'],
      'the store fails to save': ['status', 'body', 'cookies', 'errors'],
      'the store fails to touch': ['cookies', 'errors'],
      'the store fails to destroy': ['body'],
      'the store fails to destroy an unset session': ['status', 'body', 'errors'],
      'save passes on the error of the store': ['status', 'body', 'cookies', 'calls', 'errors'],
    },
  },
  {
    because: "'auto' and a cookie's maxAge reflect the current request and the latest assignment",
    where: {
      'a cookie with sameSite auto has its SameSite according to proxy undefined': ['cookies'],
      'a cookie function may return secure auto': ['body', 'cookies', 'calls'],
      'a session can have a maxAge of its own': ['cookies'],
    },
  },
  {
    because: 'calls without a callback, and touch, return promises',
    where: { 'touch and resetMaxAge return the session': ['body'] },
  },
  {
    because: 'a plain object at req.session is not saved, and the response is sent',
    where: { 'a plain object is assigned to req.session': ['status', 'errors'] },
  },
  {
    because: 'req.sessionID is read-only: assigning to it changes nothing',
    where: { 'a session whose id is not a string is not saved and gets no cookie': ['cookies', 'calls'] },
  },
  {
    because: 'req.sessionStore reads a session that it did not load itself before it writes it',
    where: { 'req.sessionStore reads, writes and destroys sessions': ['calls'] },
  },
];

/** Behaviours that do not apply to a store of ours. */
export const NOT_OURS = new Set([
  // Our stores emit no events: a call that fails is a 503.
  'requests have no session while the store is disconnected',
  // Our stores hold no sessions that other code wrote.
  'a stored session without a cookie is an error',
  'methods win over stored properties with the same names',
  // Our stores keep no files.
  'a read that fails with ENOENT means that there is no session',
]);
