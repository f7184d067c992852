import { dataFrom, deferText, type DeferredTexts } from '../contract/deferred.js';
import type { SessionChange, SessionRecord } from '../contract/record.js';
import { isSealedText } from '../contract/sealed.js';
import { lengthOf, newTexts } from '../contract/texts.js';
import type { GroupForms } from './group-forms.js';
import type { Encryption } from './options.js';
import { bytesInside, type SealedTexts, type TextPlace } from './texts.js';
import type { UnopenedLog } from './unopened.js';

/** Seals the parts of records and changes that an encryption covers, and opens them. */
export class Sealing {
  constructor(
    private readonly encryption: Encryption,
    private readonly texts: SealedTexts,
    private readonly forms: GroupForms,
    private readonly log: UnopenedLog,
  ) {}

  /** Whether the value of a property is sealed, or would be. */
  isSealed(name: string): boolean {
    return this.encryption.isSealed(name);
  }

  /** A new record as it is stored. */
  sealRecord(record: SessionRecord): SessionRecord {
    const { id, data, groups, label, client, joining } = record;
    const sealed: SessionRecord = {
      ...record,
      data: this.#sealData(id, data),
      groups: groups.map((group) => this.forms.written(group)),
    };
    if (label) sealed.label = this.#seal(id, { is: 'label' }, label);
    if (client) {
      sealed.client = {
        first: this.#seal(id, { is: 'first client' }, client.first),
        last: this.#seal(id, { is: 'last client' }, client.last),
      };
    }
    if (joining) sealed.joining = this.forms.written(joining);
    return sealed;
  }

  /** A change as it is sent to the store. */
  sealChange(id: string, change: SessionChange): SessionChange {
    const { set, join, leave, label, seen, joining } = change;
    const sealed = { ...change };
    if (set) sealed.set = this.#sealData(id, set);
    if (join) sealed.join = join.map((group) => this.forms.written(group));
    if (leave) sealed.leave = leave.flatMap((group) => this.forms.all(group));
    if (label) sealed.label = this.#seal(id, { is: 'label' }, label);
    if (seen) sealed.seen = { at: seen.at, client: this.#seal(id, { is: 'last client' }, seen.client) };
    if (joining) sealed.joining = this.forms.written(joining);
    return sealed;
  }

  /** A stored record as it was written. Its texts are opened when they are first read. The hint stays that of the store. */
  openRecord(record: SessionRecord, id = record.id): SessionRecord {
    const { data, groups, label, client, joining } = record;
    const texts = new StoredTexts(this, id, record);
    const opened: SessionRecord = {
      ...record,
      data: this.#openData(texts, data),
      groups: this.#openGroups(id, groups),
    };
    if (joining !== undefined) {
      const group = this.forms.open(joining);
      if (group === undefined) delete opened.joining;
      else opened.joining = group;
    }
    if (label !== undefined) defer(opened, 'label', () => this.openText(id, { is: 'label' }, label));
    if (client) {
      defer(opened, 'client', () => ({
        first: this.openText(id, { is: 'first client' }, client.first) ?? '',
        last: this.openText(id, { is: 'last client' }, client.last) ?? '',
      }));
    }
    return opened;
  }

  /** A stored text as it was written. `undefined`, and logged, if it cannot be opened. */
  openText(id: string, place: TextPlace, stored: string): string | undefined {
    const opened = this.texts.open(id, place, stored);
    if ('text' in opened) return opened.text;
    const isPlain = opened.problem === 'not sealed';
    if (isPlain && (this.encryption.acceptsPlain || !this.#belongsSealed(place))) return stored;
    this.log.note(id, { is: opened.problem, keyId: opened.keyId });
    return undefined;
  }

  #seal(id: string, place: TextPlace, text: string): string {
    return this.encryption.seals ? this.texts.seal(id, place, text) : text;
  }

  #belongsSealed(place: TextPlace): boolean {
    return place.is === 'property' ? this.encryption.isSealed(place.name) : this.encryption.seals;
  }

  #sealData(id: string, data: Record<string, string>): Record<string, string> {
    const sealed = newTexts();
    for (const name of Object.keys(data)) {
      const text = data[name] as string;
      sealed[name] = this.isSealed(name) ? this.texts.seal(id, { is: 'property', name }, text) : text;
    }
    return sealed;
  }

  /** Whether each part of a record but its texts can be opened. */
  opensRest(id: string, { groups, joining, label, client }: SessionRecord): boolean {
    const names = joining === undefined ? groups : [...groups, joining];
    return (
      names.every((name) => this.forms.open(name) !== undefined) &&
      (label === undefined || this.openText(id, { is: 'label' }, label) !== undefined) &&
      (client === undefined ||
        (this.openText(id, { is: 'first client' }, client.first) !== undefined &&
          this.openText(id, { is: 'last client' }, client.last) !== undefined))
    );
  }

  #openData(texts: StoredTexts, stored: Record<string, string>): Record<string, string> {
    const data = dataFrom(texts);
    for (const name of Object.keys(stored)) {
      const text: unknown = stored[name];
      // A store may hold what another program wrote, and the session layer says so.
      if (typeof text === 'string' && (isSealedText(text) || !this.#reads(name))) deferText(data, name);
      else data[name] = text as string;
    }
    return data;
  }

  /** Whether a plain text of a property is read as it is. */
  #reads(name: string): boolean {
    return this.encryption.acceptsPlain || !this.isSealed(name);
  }

  #openGroups(id: string, stored: readonly string[]): string[] {
    const groups = new Set<string>();
    for (const one of stored) {
      const group = this.forms.open(one);
      if (group === undefined) this.log.note(id, { is: 'group' });
      else groups.add(group);
    }
    return [...groups];
  }
}

/** The sealed texts of one session. */
class StoredTexts implements DeferredTexts {
  constructor(
    private readonly sealing: Sealing,
    private readonly id: string,
    private readonly record: SessionRecord,
  ) {}

  text(name: string): string | undefined {
    return this.sealing.openText(this.id, { is: 'property', name }, this.record.data[name] as string);
  }

  bytes(name: string): number {
    return bytesInside(this.record.data[name] as string);
  }

  kept(): number {
    const { data, label, client } = this.record;
    return lengthOf([...Object.values(data), label, client?.first, client?.last]);
  }

  hasRest(): boolean {
    return this.sealing.opensRest(this.id, this.record);
  }
}

/** Makes a part of a record when it is first read. */
function defer<Part extends 'label' | 'client'>(
  record: SessionRecord,
  part: Part,
  make: () => SessionRecord[Part],
): void {
  let made: { value: SessionRecord[Part] } | undefined;
  Object.defineProperty(record, part, {
    get: () => (made ??= { value: make() }).value,
    enumerable: true,
    configurable: true,
  });
}
