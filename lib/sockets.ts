export { sessionOfSocket, withSessions, type SocketSessionOptions } from './session.sockets.js';
