/** What an examination of a store for express-session is about. */
export const SUBJECTS = {
  secrets: 'express-session store: ids',
  writes: 'express-session store: parallel changes',
  endings: 'express-session store: logouts',
  groups: 'express-session store: groups',
  age: 'express-session store: absolute timeout',
  lists: 'express-session store: lists',
  backend: 'express-session store: backend',
} as const;
