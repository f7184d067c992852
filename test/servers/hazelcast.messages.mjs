// The client protocol of Hazelcast: https://github.com/hazelcast/hazelcast-client-protocol

/** What a client sends first. */
export const CLIENT_GREETING = 'CP2';
/** The upper bits of the type of a call of a map. */
export const IS_MAP = 1;
const HEADER = 6;
const IS_FIRST = 0x8000;
const IS_LAST = 0x2000;

/** Finds messages in a stream of frames. Each has a length, flags, and, if it is the first of a message, type and id. */
export class Messages {
  #rest = Buffer.alloc(0);
  #skipped;
  #current = { type: 0, id: 0n };

  constructor(greeting) {
    this.#skipped = greeting;
  }

  /** @returns {Iterable<{ type: number, id: bigint }>} */
  *completedBy(chunk) {
    let rest = Buffer.concat([this.#rest, chunk]);
    if (rest.length >= this.#skipped) {
      rest = rest.subarray(this.#skipped);
      this.#skipped = 0;
      while (rest.length >= HEADER && rest.length >= rest.readInt32LE(0)) {
        const length = rest.readInt32LE(0);
        const flags = rest.readUInt16LE(4);
        const message = flags & IS_FIRST ? startOf(rest) : this.#current;
        if (flags & IS_LAST) yield message;
        this.#current = message;
        rest = rest.subarray(length);
      }
    }
    this.#rest = rest;
  }
}

function startOf(frame) {
  return { type: frame.readInt32LE(HEADER), id: frame.readBigInt64LE(HEADER + 4) };
}
