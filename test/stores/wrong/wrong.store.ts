import { setTimeout } from 'node:timers/promises';
import type { SessionChange, SessionRecord, SessionStore } from 'nestjs-session-stores/store';
import type { MapStore, Tombstone } from '../map.store.js';

/** A store that keeps all promises but one, and the law that must notice. */
export interface WrongStore {
  /** What it does wrong. */
  name: string;
  /** Two stores on one backend. */
  make(): [SessionStore, SessionStore];
  /** The names of the laws it breaks. */
  breaks: RegExp;
  /** What each of them says about it. */
  says: RegExp;
}

export type Create = Parameters<SessionStore['create']>;
/** The laws hand in whole records. */
export type Update = [record: SessionRecord, change: SessionChange];
export type Rotate = [record: SessionRecord, presented: string, secretHash: string, grace: number];
export type Page = Parameters<SessionStore['page']>;
export type JoinLimited = Parameters<SessionStore['joinLimited']>;
export type Clear = Parameters<SessionStore['clear']>;

/** What two stores share; `lost` are ids that both have lost from their groups. */
type Shared = [sessions: Map<string, SessionRecord>, tombstones: Map<string, Tombstone>, lost: Set<string>];

/** Makes two stores of a class on the same sessions. */
export function twoOf(Store: new (...shared: Shared) => MapStore) {
  return (): [SessionStore, SessionStore] => {
    const shared: Shared = [new Map(), new Map(), new Set()];
    return [new Store(...shared), new Store(...shared)];
  };
}

/** Widens the gap between what a wrong store looks at and what it writes, so that a race is lost for certain. */
export async function pause(): Promise<void> {
  await setTimeout(3);
}
