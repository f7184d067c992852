// As much of the Redis protocol, RESP2 and RESP3, as is needed to find the end of a command or a reply.

/** Splits a stream into commands or replies. */
export class Frames {
  #rest = Buffer.alloc(0);

  /**
   * Returns the commands or replies that `chunk` completes.
   *
   * @param {Buffer} chunk
   * @returns {Buffer[]}
   */
  completedBy(chunk) {
    const buffer = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const frames = [];
    let start = 0;
    for (let end = endOf(buffer, 0); end !== undefined; end = endOf(buffer, start)) {
      frames.push(buffer.subarray(start, end));
      start = end;
    }
    this.#rest = buffer.subarray(start);
    return frames;
  }
}

/**
 * The name of a command in capitals, and its arguments.
 *
 * @param {Buffer} frame
 * @returns {string[]}
 */
export function wordsOf(frame) {
  const lines = frame.toString('latin1');
  if (!lines.startsWith('*')) return upper(lines.trim().split(/\s+/));
  const words = [];
  for (let at = lines.indexOf('\r\n') + 2; at < lines.length;) {
    const start = lines.indexOf('\r\n', at) + 2;
    const end = start + Number(lines.slice(at + 1, start));
    words.push(frame.toString('utf8', start, end));
    at = end + 2;
  }
  return upper(words);
}

const upper = ([name = '', ...args]) => [name.toUpperCase(), ...args];

/** @returns {number | undefined} `undefined` if it is incomplete */
function endOf(buffer, start) {
  const line = buffer.indexOf('\r\n', start);
  if (line < 0) return undefined;
  const next = line + 2;
  const count = Number(buffer.toString('latin1', start + 1, line));
  switch (String.fromCharCode(buffer[start])) {
    case '$':
    case '=':
    case '!': {
      const end = count < 0 ? next : next + count + 2;
      return end > buffer.length ? undefined : end;
    }
    case '*':
    case '~':
    case '>':
      return endOfAll(buffer, next, count);
    case '%':
      return endOfAll(buffer, next, 2 * count);
    case '|':
      return endOfAll(buffer, next, 2 * count + 1);
    default:
      return next;
  }
}

function endOfAll(buffer, start, count) {
  let end = start;
  for (let left = count; left > 0 && end !== undefined; left--) end = endOf(buffer, end);
  return end;
}
