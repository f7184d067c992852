export { sessionOfSocket, withSessions, type SocketSessionOptions } from './adapter.js';
