import { checkLimit } from '../contract/checks.js';
import { brand, isBranded } from '../contract/brand.js';
import { checkNoOthers } from '../contract/option-checks.js';
import { SessionGoneError } from '../contract/errors.js';
import type { SessionGroupLimit, SessionLimitedJoin } from '../contract/limit.js';
import { stateNow } from './actions.js';
import { checkBounds } from './bounds.js';
import type { SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import { noTokenError } from './client.js';
import type { SessionConfig } from './config.js';
import type { LimitOptions } from './limit-options.js';
import { LiveSession } from './live-session.js';
import type { SessionState } from './state.js';
import type { SessionUnit } from './unit.js';
import { viewOf, type SessionView } from './view.js';

/** A group was full, and its limit says `'reject'`: the session did not join. Shaped as an HTTP 409. */
export class SessionLimitError extends Error {
  override readonly name = 'SessionLimitError';
  readonly status = 409;
  readonly statusCode = 409;
  readonly expose = true;

  static {
    brand(this, 'SessionLimitError');
  }

  /**
   * @param max how many sessions the group may have
   * @param views the sessions that are in it
   */
  constructor(
    readonly max: number,
    readonly views: readonly SessionView[],
  ) {
    super(
      `there is room for ${max === 1 ? 'one session' : `${max} sessions`}, and all of it is in use. End a session first`,
    );
    // Errors are logged with their properties, and views have session data.
    Object.defineProperty(this, 'views', { enumerable: false });
  }
}

/** Whether an error says that a group was full, from any copy of this package. */
export function isLimitError(error: unknown): error is SessionLimitError {
  return isBranded(error, 'SessionLimitError');
}

/** Checks a limit. Throws a `TypeError` that says what to write instead. */
export function checkedLimit(
  group: string,
  options: LimitOptions,
  { clientOf }: Pick<SessionConfig, 'clientOf'>,
): SessionGroupLimit {
  const { max, whenFull, ...others } = Object(options) as LimitOptions;
  checkNoOthers('joinGroup', others, 'max, whenFull');
  const limit = { group, max, whenFull };
  checkLimit(limit);
  if (whenFull === 'end-least-recent' && !clientOf) {
    throw new TypeError(
      "whenFull: 'end-least-recent' needs to know when sessions were last used: set the option client, or write 'end-oldest'",
    );
  }
  return limit;
}

/**
 * How long a session lives that is created to join a group, until its request commits it, in milliseconds. If the process
 * dies meanwhile, the place is free again after this time.
 */
export const UNCOMMITTED_FOR = 60_000;

/** When a session expires until it is committed, whose expiry after that is `expiresAt`. */
function uncommitted(expiresAt: number, store: SessionStore): number {
  return Math.min(expiresAt, store.now() + UNCOMMITTED_FOR);
}

/** Joins a group with a limit at once, and ends the sessions that are too many. Resolves to their views. */
export async function joinLimited(
  unit: SessionUnit,
  session: LiveSession,
  group: string,
  options: LimitOptions,
): Promise<SessionView[]> {
  const { config, client } = unit;
  const limit = checkedLimit(group, options, config);
  const can = client.canGiveToken();
  if (can !== true) throw noTokenError('joinGroup', can);
  const called = LiveSession.stateOf(session);
  return unit.calls.run(async () => {
    const state = stateNow(session, called);
    state.acts('joinGroup');
    const before = { data: state.data.snapshot.texts, groups: state.groups.stored };
    checkBounds(before, { join: [group] }, config.maxSize);
    // It joins now, and not when the session is saved.
    state.groups.forget(group);
    if (!state.record) {
      const save = unit.saveOf(session, state, 'save()')!;
      const expiresAt = uncommitted(save.expiresAt, config.store);
      if (!(await unit.send(state, { ...save, expiresAt }))) throw new SessionGoneError('joinGroup');
      state.renewal = 'owed';
    }
    const outcome = await joined(unit, state, limit);
    switch (outcome.is) {
      case 'gone':
        state.note({ type: 'gone' });
        throw new SessionGoneError('joinGroup');
      case 'full':
        throw new SessionLimitError(limit.max, outcome.members.map(viewOf));
      case 'joined':
        state.groups.joined(group);
        return outcome.ended.map(viewOf);
    }
  });
}

/** Joins, and finds out whether the session may. If the store fails, the response fails too: see `unit.joinFailed`. */
async function joined(
  unit: SessionUnit,
  state: SessionState,
  limit: SessionGroupLimit,
): Promise<SessionLimitedJoin> {
  const { store } = unit.config;
  try {
    const outcome = await store.joinLimited(state.record!, limit);
    // A clear of the group that has ended one of them cannot have found this session before it joined.
    const isCleared = outcome.is === 'joined' && (await store.haveEnded([...state.origins]));
    if (isCleared) await store.destroy(state.id);
    unit.joinFailed(undefined);
    return isCleared ? { is: 'gone' } : outcome;
  } catch (error) {
    unit.joinFailed({ state, error });
    throw error;
  }
}

/**
 * Creates a session in groups with a limit. Resolves to its record. Rejects, and leaves no session, if one of the groups
 * is full.
 */
export async function createLimited(
  record: SessionRecord,
  limits: readonly SessionGroupLimit[],
  store: SessionStore,
): Promise<SessionRecord> {
  const expiresAt = uncommitted(record.expiresAt, store);
  await store.create({ ...record, expiresAt });
  // Those that may be full come first, so that no other session ends for one that is rejected.
  const inOrder = limits.toSorted((one, other) => isEnding(one) - isEnding(other));
  for (const limit of inOrder) {
    const outcome = await store.joinLimited(record, limit).catch((error: unknown) => {
      // No client gets its token.
      store.destroy(record.id).catch(() => {});
      throw error;
    });
    if (outcome.is === 'gone') throw new SessionGoneError('create');
    if (outcome.is === 'joined') continue;
    await store.destroy(record.id);
    throw new SessionLimitError(limit.max, outcome.members.map(viewOf));
  }
  const kept = await store.update(record, { touch: { from: expiresAt, to: record.expiresAt } });
  if (!kept) throw new SessionGoneError('create');
  return { ...record, groups: [...record.groups, ...limits.map(({ group }) => group)] };
}

function isEnding({ whenFull }: SessionGroupLimit): number {
  return whenFull === 'reject' ? 0 : 1;
}
