import { copyData, type SessionUpdate } from 'nestjs-session-stores/store';
import { MapStore } from '../map.store.js';
import { pause, twoOf, type Update, type WrongStore } from './wrong.store.js';

type Sum = (text: string | undefined, by: number) => string | undefined;

/** Adds as `sum` does. Where that returns `undefined` it is right. */
const adding = (sum: Sum) =>
  twoOf(
    class extends MapStore {
      override async update(...[record, change]: Update): Promise<SessionUpdate | undefined> {
        const found = this.live(record.id);
        const text = found && change.add && sum(found.data[change.add.name], change.add.by);
        if (text === undefined) return super.update(record, change);
        const kept = this.keep({ ...found!, data: copyData(found!.data, { [change.add!.name]: text }) });
        return kept && { expiresAt: kept.expiresAt, secretHash: kept.secretHash, text };
      }
    },
  );

/** Does something else for changes with an `add` or a `take`. */
const acting = (act: (store: MapStore, ...update: Update) => Promise<SessionUpdate | undefined>) =>
  twoOf(
    class extends MapStore {
      override async update(...[record, change]: Update): Promise<SessionUpdate | undefined> {
        const isPlain = change.add === undefined && change.take === undefined;
        return isPlain
          ? super.update(record, change)
          : act(new MapStore(this.sessions, this.tombstones), record, change);
      }
    },
  );

const EXACT = /^8 an add writes the exact sum/;
const REFUSED = /^8 an add to a text that is not an integer/;

export const wrongInValues: WrongStore[] = [
  {
    name: 'reads what it adds to, and writes the sum later',
    make: acting(async (store, record, { add, take }) => {
      if (!add) return store.update(record, { take });
      const text = (await store.read(record.id))?.data[add.name] ?? '0';
      await pause();
      const sum = String(Number(text) + add.by);
      const update = await store.update(record, { set: { [add.name]: sum } });
      return update && { ...update, text: sum };
    }),
    breaks: /^3 (parallel adds|adds that race)/,
    says: /must all be (counted|kept)/,
  },
  {
    name: 'counts all adds, and resolves to what the session has in the end',
    make: acting(async (store, record, change) => {
      const update = await store.update(record, change);
      await pause();
      const text = change.add && (await store.read(record.id))?.data[change.add.name];
      return update && { ...update, ...(text !== undefined && { text }) };
    }),
    breaks: /^3 parallel adds/,
    says: /each must resolve to a sum of its own/,
  },
  {
    name: 'adds twice, as a client that sends its command again',
    make: acting(async (store, record, change) => {
      const first = await store.update(record, change);
      return change.add ? store.update(record, change) : first;
    }),
    breaks: /^3 parallel adds/,
    says: /must all be counted; the text after 20: expected '20', got '40'/,
  },
  {
    name: 'reads what it takes, and removes it later',
    make: acting(async (store, record, { add, take }) => {
      if (take === undefined) return store.update(record, { add });
      const text = (await store.read(record.id))?.data[take];
      await pause();
      const update = await store.update(record, { remove: [take] });
      return update && { ...update, ...(text !== undefined && { text }) };
    }),
    breaks: /^3 of parallel takes/,
    says: /exactly one must resolve to the text; the texts/,
  },
  {
    name: 'resolves to no text for a take',
    make: acting(async (store, record, change) => {
      const update = await store.update(record, change);
      if (update && change.take !== undefined) delete update.text;
      return update;
    }),
    breaks: /^1 an add and a take|^8 .*a take (of any name|resolves)/,
    says: /a take must resolve to|must be taken/,
  },
  {
    name: 'leaves what it has taken',
    make: acting(async (store, record, { add, take }) => {
      if (take === undefined) return store.update(record, { add });
      const found = await store.read(record.id);
      return found && { ...found, text: found.data[take]! };
    }),
    breaks: /^1 an add and a take/,
    says: /a take must change nothing but its property/,
  },
  {
    name: 'adds by numbers that lose digits',
    make: adding((text, by) => {
      const sum = Number(text ?? 0) + by;
      return Number.isSafeInteger(sum) && /^-?\d{1,16}$/.test(text ?? '0') ? String(sum + 0) : undefined;
    }),
    breaks: EXACT,
    says: /must write the exact sum/,
  },
  {
    name: "writes sums in Lua's default format",
    make: adding((text, by) => {
      const sum = Number(text ?? 0) + by;
      if (!(Math.abs(sum) >= 1e14) || !Number.isSafeInteger(sum)) return undefined;
      return Number(sum.toPrecision(14)).toExponential();
    }),
    breaks: EXACT,
    says: /must write the exact sum/,
  },
  {
    name: 'adds to the start of a text that is not an integer',
    make: adding((text, by) => {
      const start = Number.parseInt(text ?? '', 10);
      return Number.isSafeInteger(start + by) && !/^-?\d+$/.test(text ?? '') ? String(start + by) : undefined;
    }),
    breaks: REFUSED,
    says: /must be refused; the reason: expected 'not an integer', got undefined/,
  },
  {
    name: 'takes a line break at the end of a text for its end',
    make: adding((text, by) => (text === '1\n' ? String(1 + by) : undefined)),
    breaks: REFUSED,
    says: /an add of 1 to '1\\n' must be refused/,
  },
  {
    name: 'goes on adding beyond the safe integers',
    make: adding((text, by) => {
      const isInteger = /^-?(0|[1-9]\d{0,15})$/.test(text ?? '0');
      return isInteger ? String(BigInt(text ?? '0') + BigInt(by)) : undefined;
    }),
    breaks: REFUSED,
    says: /must be refused; the reason: expected 'not a safe integer', got undefined/,
  },
  {
    name: 'keeps names with a dot or a dollar as paths when it adds or takes',
    make: acting((store, record, { add, take }) => {
      const path = (name: string) => name.replace(/^\$|\..*/, '');
      return store.update(record, add ? { add: { ...add, name: path(add.name) } } : { take: path(take!) });
    }),
    breaks: /^8 an add and a take of any name/,
    says: /must be (added to|taken)/,
  },
  {
    name: 'parses and serializes again what it takes',
    make: acting(async (store, record, change) => {
      const update = await store.update(record, change);
      if (!update || change.add || update.text === undefined) return update;
      try {
        return { ...update, text: JSON.stringify(JSON.parse(update.text)) };
      } catch {
        return update;
      }
    }),
    breaks: /^8 a take resolves to any serialized value/,
    says: /must resolve to the serialized value unchanged/,
  },
];
