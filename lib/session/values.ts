import { checkName, checkSafeInteger } from '../contract/checks.js';
import { sumOf, type AddRefusal } from '../contract/sum.js';
import { newTexts } from '../contract/texts.js';
import { saveNow, stateNow } from './actions.js';
import { checkBounds } from './bounds.js';
import { isPropertyUnsaved, ownProperty, serialise } from './data.js';
import { LiveSession } from './live-session.js';
import { rejectReserved } from './names.js';
import type { SessionState } from './state.js';
import type { SessionUnit } from './unit.js';

/** Why an `add` was refused, and what to do. */
const REFUSALS: Record<AddRefusal, string> = {
  'not an integer': 'its value is not an integer. Assign a whole number to it first',
  'not a safe integer': 'the sum would not be a safe integer, from -(2 ** 53 - 1) to 2 ** 53 - 1',
};

/** Adds to the number in a property, in the store. Resolves to the sum. */
export async function add(
  unit: SessionUnit,
  session: LiveSession,
  name: string,
  by: number,
): Promise<number> {
  checkProperty(unit, name);
  checkSafeInteger(by, 'by');
  const called = LiveSession.stateOf(session);
  return unit.calls.run(async () => {
    const state = stateNow(session, called);
    state.acts('add');
    const isShown = LiveSession.stateOf(session) === state;
    if (!state.record || (isShown && isUnsaved(session, state, name)))
      await saveNow(unit, session, state, 'add');
    checkRoom(unit, state, name, by);
    const { text, refused } = await unit.act(state, { add: { name, by } }, 'add');
    if (text === undefined) throw refusal(name, refused!);
    update(session, state, name, text);
    return Number(text);
  });
}

/** Removes a property, in the store. Resolves to its value, for one of all parallel calls. */
export async function take(unit: SessionUnit, session: LiveSession, name: string): Promise<unknown> {
  checkProperty(unit, name);
  const called = LiveSession.stateOf(session);
  return unit.calls.run(async () => {
    const state = stateNow(session, called);
    state.acts('take');
    const isShown = LiveSession.stateOf(session) === state;
    // No other request has a session that is not stored, unless a create has failed, which may have acted.
    if (!state.record && !state.token) return isShown ? takeOwn(session, name) : undefined;
    if (!state.record || (isShown && isUnsaved(session, state, name)))
      await saveNow(unit, session, state, 'take');
    const { text } = await unit.act(state, { take: name }, 'take');
    update(session, state, name, undefined);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as unknown;
    } catch {
      unit.unreadable(state.id, name, text);
      return undefined;
    }
  });
}

function checkProperty({ config }: SessionUnit, name: string): void {
  checkName(name);
  if (config.reservedNames.has(name)) rejectReserved(name, name);
}

/** Whether the handler has changed a property, and the change is not saved. */
function isUnsaved(session: LiveSession, { data }: SessionState, name: string): boolean {
  return isPropertyUnsaved(session, data.snapshot, name);
}

/** Throws a `SessionTooLargeError` if the session has no room for the sum. */
function checkRoom({ config }: SessionUnit, { data, groups }: SessionState, name: string, by: number): void {
  const { texts } = data.snapshot;
  const sum = sumOf(texts[name], by);
  if ('text' in sum) {
    checkBounds({ data: texts, groups: groups.stored }, { set: withName(name, sum.text) }, config.maxSize);
  }
}

/**
 * Makes a text that was stored, or removed, the base of later changes, and shows it on the object; unless the handler has
 * changed the property while the call ran.
 */
function update(session: LiveSession, state: SessionState, name: string, text: string | undefined): void {
  const isShown = LiveSession.stateOf(session) === state && !isUnsaved(session, state, name);
  state.data.saved(text === undefined ? { remove: [name] } : { set: withName(name, text) });
  if (!isShown) return;
  if (text === undefined) delete (session as unknown as Record<string, unknown>)[name];
  else ownProperty(session, name, Number(text));
}

/** Removes a property of a session that is not stored, and returns its value as it would come from the store. */
function takeOwn(session: LiveSession, name: string): unknown {
  if (!Object.hasOwn(session, name)) return undefined;
  const text = serialise(name, (session as unknown as Record<string, unknown>)[name]);
  delete (session as unknown as Record<string, unknown>)[name];
  return text === undefined ? undefined : JSON.parse(text);
}

function withName(name: string, text: string): Record<string, string> {
  const set = newTexts();
  set[name] = text;
  return set;
}

function refusal(name: string, refused: AddRefusal): TypeError {
  return new TypeError(`session[${JSON.stringify(name)}] cannot be added to: ${REFUSALS[refused]}`);
}
