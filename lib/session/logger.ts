/** Where the session layer logs what no response can report. Nest's `Logger` and `console` implement it. */
export interface SessionLogger {
  warn(message: string): void;
  error(message: string, cause?: unknown): void;
}
