import { checkFlag, checkNoOthers, checkOptionsObject } from '../contract/option-checks.js';
import type { LogIds } from '../contract/log-id.js';
import { checkName } from '../contract/checks.js';
import { isSameKey, namedKey, type EncryptionKey, type NamedKey } from './keys.js';

/** The option `encrypt` of the session layer. */
export interface SessionEncryptOptions {
  /**
   * The keys: the first seals, and all open, so that a key can be replaced. Each is 32 random bytes
   * (`openssl rand -base64 32`). Required.
   */
  keys: EncryptionKey | readonly EncryptionKey[];
  /**
   * The names of the properties whose values are sealed; default: all of them. With an empty list nothing is sealed, and
   * what is sealed is opened: the first step of a roll-out.
   */
  only?: readonly string[] | undefined;
  /** Seals the names of groups, with a key that cannot be replaced. Default: they are stored in plain text. */
  groups?: EncryptionKey | undefined;
  /** Whether plain text is read where sealed text belongs, for the roll-out; default `false`. */
  acceptPlain?: boolean | undefined;
}

/** The options of an {@link EncryptedStore}. */
export interface EncryptedStoreOptions extends SessionEncryptOptions {
  /** Where it is logged that something cannot be opened; default `console`. */
  logger?: { error(message: string): void } | undefined;
  /** How the ids of sessions appear there: as they are, or as their SHA-256; default `'plain'`. */
  logIds?: LogIds | undefined;
}

/** What an encrypted store does. */
export interface Encryption {
  readonly keys: readonly [NamedKey, ...NamedKey[]];
  /** The key of groups; `undefined` if their names stay as they are. */
  readonly groups: NamedKey | undefined;
  /** Whether anything is sealed. */
  readonly seals: boolean;
  /** Whether plain text is read where sealed text belongs. */
  readonly acceptsPlain: boolean;
  /** Whether the value of a property is sealed. */
  isSealed(name: string): boolean;
}

const OPTIONS = 'keys, only, groups, acceptPlain';
const EXAMPLE = 'encrypt: { keys: [process.env.SESSION_KEY] }';

/** The property that holds the cookie's attributes, and the group name of `setGroupName`. */
const COOKIE = 'cookie';

/** Checks the options of encryption. Throws a `TypeError` that says what to write instead. */
export function resolveEncryption(options: unknown): Encryption {
  checkOptionsObject('encrypt', options, EXAMPLE);
  const { keys, only, groups, acceptPlain, ...others } = Object(options) as SessionEncryptOptions;
  checkNoOthers('encrypt', others, OPTIONS, {
    key: `Write keys, a list: ${EXAMPLE}`,
    secret: `Write keys, a list of 32 random bytes each: ${EXAMPLE}`,
  });
  checkFlag('encrypt.acceptPlain', acceptPlain);
  const names = checkedNames(only);
  const seals = names?.size !== 0;
  const named = checkedKeys(keys);
  return {
    keys: named,
    groups: groups === undefined ? undefined : checkedGroups(groups, named),
    seals,
    acceptsPlain: acceptPlain === true || !seals,
    isSealed: (name) => seals && (names === undefined || names.has(name) || name === COOKIE),
  };
}

function checkedKeys(keys: unknown): [NamedKey, ...NamedKey[]] {
  if (Array.isArray(keys) && keys.length === 0) {
    throw new TypeError(`encrypt.keys must have a key, with which to seal: write ${EXAMPLE}`);
  }
  const named = Array.isArray(keys)
    ? keys.map((key, at) => namedKey(`encrypt.keys[${at}]`, key))
    : [namedKey('encrypt.keys', keys)];
  const twice = named.findIndex((key, at) => named.slice(0, at).some((other) => isSameKey(key, other)));
  if (twice > 0) {
    throw new TypeError(
      `encrypt.keys[${twice}] is in the list twice: write the new key first, then the old one`,
    );
  }
  return named as [NamedKey, ...NamedKey[]];
}

function checkedGroups(groups: unknown, keys: readonly NamedKey[]): NamedKey {
  const named = namedKey('encrypt.groups', groups);
  if (keys.some((key) => isSameKey(key, named))) {
    throw new TypeError(
      'encrypt.groups must not be one of encrypt.keys, because those are replaced and it never is. Generate another key: openssl rand -base64 32',
    );
  }
  return named;
}

function checkedNames(only: unknown): ReadonlySet<string> | undefined {
  if (only === undefined) return undefined;
  if (!Array.isArray(only)) {
    throw new TypeError(
      "encrypt.only must be a list of names: write only: ['user'], or leave it out for all",
    );
  }
  for (const name of only) checkName(name);
  return new Set(only as string[]);
}
