import { SessionStoreDecorator } from '../contract/decorator.js';
import { checkWord } from '../contract/option-checks.js';
import { joinInSteps, type SessionGroupLimit, type SessionLimitedJoin } from '../contract/limit.js';
import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from '../contract/record.js';
import { isSealedText } from '../contract/sealed.js';
import { isSessionStore } from '../contract/shapes.js';
import type { SessionStore } from '../contract/store.js';
import { groupForms, type GroupForms } from './group-forms.js';
import { SealedGroups } from './groups.js';
import { resolveEncryption, type EncryptedStoreOptions } from './options.js';
import { clearForms, countForms, pageOfForms } from './roll-out.js';
import { Sealing } from './sealing.js';
import { SealedTexts } from './texts.js';
import { UnopenedLog } from './unopened.js';

/** Marks the instances, so that those of another copy of this package are recognised too. */
const ENCRYPTED = Symbol.for('nestjs-session-stores/encrypted');

/**
 * Seals what the inner store holds of sessions: the values of properties, labels, clients, and with a key for them the
 * names of groups. Ids, names of properties, instants and secret hashes stay readable. It goes directly around a store,
 * inside of a `CachedStore`.
 *
 * A value that cannot be opened reads as `undefined`, stays as it is in the store, and is logged once for each key. An
 * `add` to a property whose value is sealed rejects with a `TypeError`.
 */
export class EncryptedStore extends SessionStoreDecorator {
  readonly #sealing: Sealing;
  readonly #forms: GroupForms;
  readonly [ENCRYPTED] = true;

  /** Throws a `TypeError` for invalid options, and for a store that cannot be encrypted. */
  constructor(store: SessionStore, options: EncryptedStoreOptions) {
    super(checkInner(store));
    const { logger = console, logIds = 'plain', ...others } = Object(options) as EncryptedStoreOptions;
    checkWord('logIds', logIds, ['plain', 'hashed']);
    const encryption = resolveEncryption(others);
    const { keys, groups } = encryption;
    this.#forms = groupForms(groups && new SealedGroups(groups), encryption);
    this.#sealing = new Sealing(
      encryption,
      new SealedTexts(keys),
      this.#forms,
      new UnopenedLog(logger, logIds),
    );
  }

  protected override doCreate(record: SessionRecord): Promise<boolean> {
    return super.doCreate(this.#sealing.sealRecord(record));
  }

  protected override doAdopt(record: SessionRecord): Promise<void> {
    return super.doAdopt(this.#sealing.sealRecord(record));
  }

  protected override async doRead(id: string): Promise<SessionRecord | undefined> {
    const record = await super.doRead(id);
    return record && this.#sealing.openRecord(record, id);
  }

  protected override async doUpdate(
    record: SessionRef,
    change: SessionChange,
  ): Promise<SessionUpdate | undefined> {
    const { add, take } = change;
    if (add && this.#sealing.isSealed(add.name)) throw notAdded(add.name);
    const update = await super.doUpdate(record, this.#sealing.sealChange(record.id, change));
    if (add && update?.refused === 'not an integer') await this.#checkNotSealed(record.id, add.name);
    if (take === undefined || update?.text === undefined) return update;
    const { text: taken, ...rest } = update;
    const text = this.#sealing.openText(record.id, { is: 'property', name: take }, taken);
    return text === undefined ? rest : { ...rest, text };
  }

  /** Throws if the value in the store is from before its property was left out of `encrypt.only`. */
  async #checkNotSealed(id: string, name: string): Promise<void> {
    const { data } = (await super.doRead(id)) ?? {};
    const text: unknown = data && Object.hasOwn(data, name) ? data[name] : undefined;
    if (typeof text === 'string' && isSealedText(text)) throw stillSealed(name);
  }

  protected override async doPage({ group, after, limit }: SessionPageOptions): Promise<SessionPage> {
    const { records, next } =
      group === undefined
        ? await super.doPage({ after, limit })
        : await pageOfForms(this.store, this.#forms.all(group), after, limit);
    const opened = records.map((record) => this.#sealing.openRecord(record));
    return next === undefined ? { records: opened } : { records: opened, next };
  }

  protected override doCount(group: string | undefined): Promise<number> {
    return group === undefined ? super.doCount(group) : countForms(this.store, this.#forms.all(group));
  }

  protected override doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    return group === undefined
      ? super.doClear(group, except)
      : clearForms(this.store, this.#forms.all(group), except);
  }

  protected override async doJoinLimited(
    record: SessionRef,
    limit: SessionGroupLimit,
  ): Promise<SessionLimitedJoin> {
    const [group, ...others] = this.#forms.all(limit.group);
    if (others.length > 0) return this.#joinInSteps(record, limit);
    const join = await super.doJoinLimited(record, { ...limit, group });
    const open = (records: SessionRecord[]): SessionRecord[] =>
      records.map((one) => this.#sealing.openRecord(one));
    if (join.is === 'joined') return { is: 'joined', ended: open(join.ended) };
    return join.is === 'full' ? { is: 'full', members: open(join.members) } : join;
  }

  /** The inner store knows only one form of a group, so it cannot count its members. */
  #joinInSteps(record: SessionRef, limit: SessionGroupLimit): Promise<SessionLimitedJoin> {
    return joinInSteps(record, limit, {
      now: () => this.now(),
      page: (options) => this.doPage(options),
      update: (ref, change) => this.doUpdate(ref, change),
      destroy: (id) => this.doDestroy(id),
    });
  }
}

/** Whether a store is an {@link EncryptedStore}, of any copy of this package. */
export function isEncrypted(store: unknown): boolean {
  return Object(store)[ENCRYPTED] === true;
}

function checkInner(store: SessionStore): SessionStore {
  if (!isSessionStore(store)) {
    throw new TypeError(
      'EncryptedStore needs a store: write new EncryptedStore(new RedisStore({ url }), { keys })',
    );
  }
  if (isEncrypted(store))
    throw new TypeError('the store is encrypted already: put it into one EncryptedStore');
  if ('cached' in store) {
    throw new TypeError(
      'encryption must be inside of the cache: write new CachedStore(new EncryptedStore(store, { keys }))',
    );
  }
  if ('migration' in store) {
    throw new TypeError(
      'encryption must be inside of the migration: write new MigratingStore(new EncryptedStore(store, { keys }), { store: oldStore, move })',
    );
  }
  if (!store.capabilities.secrets) {
    throw new TypeError(
      'an express-session store cannot be encrypted: it keeps the ids of sessions, which are credentials there, and parses each value. Use a store of this package',
    );
  }
  return store;
}

function notAdded(name: string): TypeError {
  return new TypeError(
    `session[${JSON.stringify(name)}] cannot be added to, because its value is sealed and the sum is made in the store. List the sealed properties in encrypt.only, without this one`,
  );
}

function stillSealed(name: string): TypeError {
  return new TypeError(
    `session[${JSON.stringify(name)}] cannot be added to, because its value was sealed before the property was left out of encrypt.only. Assign another value to it once, which is stored in plain text`,
  );
}
