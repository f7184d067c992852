/**
 * A position in the oplog: its timestamp as 16 hexadecimal digits, so that positions are compared as strings. The oplog
 * that a majority has is one sequence, whichever member it is read from.
 */
export type Position = string;

/** A token after which a change stream could be continued. */
export interface ResumeToken {
  _data: unknown;
}

/** The position of a timestamp of the driver. */
export function positionOf(timestamp: unknown): Position {
  // A timestamp is an unsigned Long.
  return (timestamp as { toString(radix: number): string }).toString(16).padStart(16, '0').toUpperCase();
}

/**
 * The position of a resume token: a change stream has returned everything before it. `undefined` if the token has another
 * format.
 *
 * The server documents that tokens can be compared as strings. They start with the timestamp, after the byte that marks
 * one (`KeyString` and `ResumeToken` in its source, 4.0 to 8.0).
 */
export function positionIn({ _data: data }: ResumeToken): Position | undefined {
  return /^82([\dA-F]{16})/.exec(String(data))?.[1];
}
