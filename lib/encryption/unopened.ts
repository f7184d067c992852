import { idInLog, type LogIds } from '../contract/log-id.js';
import type { TextProblem } from './texts.js';

/** What cannot be opened, as a log line says it. */
export type Unopened = { is: TextProblem; keyId: string | undefined } | { is: 'group' };

/** How many different log lines there are. Someone who can write to the store can make up ids of keys. */
const MOST_LINES = 100;

const END = 'It reads as undefined and stays as it is in the store';

/** Logs that something cannot be opened: once for each key, or for each other reason. */
export class UnopenedLog {
  readonly #logged = new Set<string>();

  constructor(
    private readonly logger: { error(message: string): void },
    private readonly logIds: LogIds,
  ) {}

  note(id: string, unopened: Unopened): void {
    const subject = unopened.is === 'group' ? unopened.is : `${unopened.is} ${unopened.keyId}`;
    if (this.#logged.has(subject) || this.#logged.size >= MOST_LINES) return;
    this.#logged.add(subject);
    this.logger.error(`[session:encryption] ${lineOf(this.#nameOf(id), unopened)}. This is logged once`);
  }

  /** In quotes, because an id that an app generates may have any form. */
  #nameOf(id: string): string {
    return this.logIds === 'plain' ? JSON.stringify(id) : idInLog(id, this.logIds);
  }
}

function lineOf(session: string, unopened: Unopened): string {
  const place = `of the session ${session}`;
  switch (unopened.is) {
    case 'unknown key':
      return `a value ${place} is sealed with the key ${JSON.stringify(unopened.keyId)}, which is not in encrypt.keys. ${END}. Add the key to the end of the list, on every process`;
    case 'damaged':
      return `a value ${place}, sealed with the key ${JSON.stringify(unopened.keyId)}, was changed in the store, or belongs to another session or property. ${END}`;
    case 'not sealed':
      return `a value ${place} is in plain text. ${END}. If it is from before the encryption, set encrypt.acceptPlain until such sessions have expired`;
    case 'group':
      return `the name of a group ${place} is in plain text, or was sealed with another key than encrypt.groups. It is left out and stays as it is in the store. If it is from before the encryption, set encrypt.acceptPlain until such sessions have expired`;
  }
}
