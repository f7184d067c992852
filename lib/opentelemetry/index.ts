export { instrumentSessions, type SessionInstrumentationOptions } from './instrument.js';
