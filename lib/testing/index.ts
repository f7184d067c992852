export { MemoryStore, type MemoryStoreOptions } from './memory.store.js';
export { loginAs, TestLogin, type LoginOptions, type TestCookie } from './login.js';
