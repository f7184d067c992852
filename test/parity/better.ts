import type { Aspect } from './observe.js';

/** What ours does otherwise on purpose: a line of the README's table each, and the behaviours in which it shows. */
export const better: { because: string; where: Record<string, readonly Aspect[]> }[] = [
  {
    because: 'only what changed is written; the expiry moves when a tenth of the lifetime has passed',
    where: {
      'without resave an unchanged session is touched': ['touches'],
      'without resave an unchanged session with an age is touched': ['touches'],
      'resave and saveUninitialized are true by default': ['calls'],
      'resave saves a session that nobody changed': ['calls'],
      'resave with an age': ['calls'],
      'save of what nobody changed': ['calls'],
      'save saves at once, and not again at the end': ['touches'],
    },
  },
  {
    because:
      'a token carries a secret beside the key: a cookie of others is no session and looked up nowhere',
    where: { 'a session that the store does not have gets a new key': ['calls'] },
  },
  {
    because: 'ending a session takes its cookie from the client',
    where: {
      'destroy ends the session': ['cookies', 'calls'],
      'unset destroy, by req.session = null': ['cookies', 'calls'],
      'unset destroy, by delete req.session': ['cookies', 'calls'],
      'an instant that is past ends the session': ['cookies', 'calls'],
    },
  },
  {
    because: 'a session that is not stored is neither read nor destroyed',
    where: {
      'destroy of a session that is not stored': ['calls'],
      'regenerate of a session that is not stored': ['calls'],
      'reload and save': ['calls'],
      'calls with a callback give the session itself': ['calls'],
    },
  },
  {
    because: 'what is stored is reachable: no session without its cookie',
    where: {
      'save of a new session that is empty': ['cookies', 'calls'],
      'a new session that is changed after the first bytes': ['calls'],
    },
  },
  {
    because: 'a session that ended meanwhile does not come back',
    where: { 'a session that ended meanwhile and was changed': ['body'] },
  },
  {
    because: 'what a request changed is saved even if its client is gone',
    where: { 'a socket destroyed half-way': ['calls'] },
  },
  {
    because:
      'nothing is answered before it is saved: a store that fails is a 503, not an answer that is not true',
    where: {
      'the store fails to read': ['status', 'body', 'errors'],
      'the store fails to save': ['status', 'body', 'cookies', 'errors'],
      'the store fails to touch': ['status', 'body', 'cookies', 'errors'],
      'the store fails to destroy': ['body'],
      'the store fails to destroy what was unset': ['status', 'body', 'errors'],
      'save says that the store failed': ['status', 'body', 'cookies', 'calls', 'errors'],
    },
  },
  {
    because: "'auto' and the age of a cookie follow what they are asked about",
    where: {
      'proxy undefined, sameSite auto': ['cookies'],
      'secure auto in a cookie function': ['body', 'cookies', 'calls'],
      'a session has an age of its own': ['cookies'],
    },
  },
  {
    because: 'calls without a callback, and touch, give promises',
    where: { 'touch and resetMaxAge give the session itself': ['body'] },
  },
  {
    because: 'an object that is no session is no session: it is not saved, and the answer goes out',
    where: { 'a new object at req.session that is no session': ['status', 'errors'] },
  },
  {
    because: 'req.sessionID says which session it is; to assign it changes nothing',
    where: { 'a key that is no string: nothing saved, no cookie': ['cookies', 'calls'] },
  },
  {
    because: 'req.sessionStore looks before it writes what came from elsewhere',
    where: { 'req.sessionStore reads, writes and ends sessions': ['calls'] },
  },
];

/** What has no meaning with a store of ours. */
export const NOT_OURS = new Set([
  // It emits nothing: a call that fails is a 503.
  'a store that says it is disconnected: no session until it is back',
  // Nothing of others is in it.
  'a stored session without a cookie is an error',
  'a stored session with names that are methods',
  // It keeps no files.
  'a read that fails with ENOENT found nothing',
]);
