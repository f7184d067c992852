// During a roll-out a group has two forms, and its sessions are in one of them, or in both. Otherwise it has one.
import type { SessionPage, SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';

/** The forms of one group, of which there is at least one. */
type Forms = readonly [string, ...string[]];

/** How many records a count reads at once. */
const PAGE = 1000;

/** A page of the sessions of a group: those of its first form, then those of the next. */
export async function pageOfForms(
  store: SessionStore,
  forms: Forms,
  after: string | undefined,
  limit: number,
): Promise<SessionPage> {
  if (forms.length === 1) return store.page({ group: forms[0], after, limit });
  const { at, group, inner } = positionIn(after, forms);
  const { records, next } = await store.page({ group, after: inner, limit });
  if (next !== undefined) return { records, next: `${at}:${next}` };
  const further = at + 1 < forms.length ? String(at + 1) : undefined;
  if (further === undefined) return { records };
  if (records.length >= limit) return { records, next: further };
  const rest = await pageOfForms(store, forms, further, limit - records.length);
  const isNew = ({ id }: SessionRecord): boolean => !records.some((record) => record.id === id);
  return { ...rest, records: [...records, ...rest.records.filter(isNew)] };
}

/** How many live sessions a group has. With two forms it reads them, because one may be in both. */
export async function countForms(store: SessionStore, forms: Forms): Promise<number> {
  if (forms.length === 1) return store.count(forms[0]);
  const ids = new Set<string>();
  let after: string | undefined;
  do {
    const page = await pageOfForms(store, forms, after, PAGE);
    for (const { id } of page.records) ids.add(id);
    after = page.next;
  } while (after !== undefined);
  return ids.size;
}

/**
 * Destroys the sessions of a group. The first form is cleared again after the second: a session there that was regenerated
 * may have got a successor in the first form after that was cleared.
 */
export async function clearForms(
  store: SessionStore,
  forms: Forms,
  except: ReadonlySet<string>,
): Promise<number> {
  let count = 0;
  for (const form of forms.length === 1 ? forms : [...forms, forms[0]])
    count += await store.clear(form, except);
  return count;
}

/** Which form a page is of, and where it begins there. */
function positionIn(
  after: string | undefined,
  forms: Forms,
): { at: number; group: string; inner: string | undefined } {
  if (after === undefined) return { at: 0, group: forms[0], inner: undefined };
  // The `next` of a store may be any text, even an empty one.
  const [, at, , inner] = /^(\d)(:(.*))?$/s.exec(after) ?? [];
  // Without a group, the page would be one of all sessions.
  const group = at === undefined ? undefined : forms[Number(at)];
  if (group === undefined) throw new TypeError('after must be the next of a page of the same group');
  return { at: Number(at), group, inner };
}
