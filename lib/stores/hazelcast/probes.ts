import { randomUUID } from 'node:crypto';
import type { EntryEvent } from 'hazelcast-client';
import type { HazelcastClient } from './connection.js';
import { driver } from './driver.js';
import { textOf, type JsonMap } from './map.js';
import { areInPlace, probesFor, type Probe } from './stripes.js';
import { membersOf, nameOf, ownersOf } from './topology.js';

/** How long the entries of a watcher stay after its last probe, in milliseconds. */
const LIFETIME = 5000;

/** A probe whose echoes are awaited. */
interface Round {
  value: string;
  /** The members from which an echo is missing, by the keys. */
  missing: Map<string, string>;
  resolve(): void;
  reject(error: Error): void;
}

/**
 * Writes entries that every member sends back as events to their writer alone. A member has then sent everything that it
 * had to send before.
 */
export class Probes {
  /** The start of the keys of this watcher, and of no other. */
  private readonly name = `${randomUUID()}:`;
  private probes: Probe[] = [];
  private count = 0;
  private round: Round | undefined;

  /** @param map holds probes of all watchers, and nothing else */
  constructor(
    private readonly client: HazelcastClient,
    private readonly map: JsonMap,
  ) {}

  /** Resolves to the id of the listener. */
  listen(): Promise<string> {
    const echo = (event: EntryEvent<string, unknown>): void => this.echo(event);
    const { Predicates } = driver();
    return this.map.listenTo(Predicates.like('__key', `${this.name}%`), { added: echo, updated: echo });
  }

  /** Resolves once every member has echoed. Rejects if that cannot be found out. */
  async send(): Promise<void> {
    const members = membersOf(this.client);
    const owners = ownersOf(this.client);
    if (!areInPlace(this.probes, members, owners)) this.probes = probesFor(this.name, members, owners);
    const value = String(++this.count);
    const echoed = new Promise<void>((resolve, reject) => {
      const missing = new Map(this.probes.map(({ key, member }) => [key, member]));
      this.round = { value, missing, resolve, reject };
    });
    await Promise.all([echoed, ...this.probes.map(({ key }) => this.map.set(key, value, LIFETIME))]);
  }

  private echo({ key, value, member }: EntryEvent<string, unknown>): void {
    const { round } = this;
    if (!round || textOf(value) !== round.value) return;
    const expected = round.missing.get(key);
    if (expected === undefined) return;
    // The partition has moved, so that the member for which the probe was meant has not been probed.
    if (nameOf(member?.uuid) !== expected) round.reject(new Error('a partition moved to another member'));
    round.missing.delete(key);
    if (round.missing.size === 0) round.resolve();
  }
}
