export * from './session-store.laws.js';
