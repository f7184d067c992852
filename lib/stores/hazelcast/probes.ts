import { randomUUID } from 'node:crypto';
import type { EntryEvent } from 'hazelcast-client';
import type { HazelcastClient } from './connection.js';
import { driver } from './driver.js';
import { problemOf } from './errors.js';
import { textOf, type JsonMap } from './map.js';
import { probeKeys } from './stripes.js';
import { membersOf, ownersOf } from './topology.js';

/** How long the entries of a watcher stay after its last probe, in milliseconds. */
const LIFETIME = 5000;

/** A probe whose echoes are awaited. */
interface Round {
  value: string;
  /** The keys without an echo. */
  missing: Set<string>;
  resolve(): void;
}

/**
 * Writes entries that every member sends back as events to their writer alone. A member has then sent everything that it
 * had to send before.
 */
export class Probes {
  /** The start of the keys of this watcher, and of no other. */
  private readonly name = `${randomUUID()}:`;
  private readonly keys: string[];
  /** The members and their partitions when the keys were chosen. */
  private readonly layout: string;
  private count = 0;
  private round: Round | undefined;

  /**
   * Throws if a member cannot be probed yet.
   *
   * @param map holds probes of all watchers, and nothing else
   */
  constructor(
    private readonly client: HazelcastClient,
    private readonly map: JsonMap,
  ) {
    this.layout = layoutOf(client);
    this.keys = probeKeys(this.name, membersOf(client), ownersOf(client));
  }

  /** Resolves to the id of the listener. */
  listen(): Promise<string> {
    const echo = (event: EntryEvent<string, unknown>): void => this.echo(event);
    const { Predicates } = driver();
    return this.map.listenTo(Predicates.like('__key', `${this.name}%`), { added: echo, updated: echo });
  }

  /** Resolves once every member has echoed. Rejects if a partition has moved, so that a member may not have been probed. */
  async send(): Promise<void> {
    this.check();
    const value = String(++this.count);
    const echoed = new Promise<void>((resolve) => {
      this.round = { value, missing: new Set(this.keys), resolve };
    });
    await Promise.all([echoed, ...this.keys.map((key) => this.map.set(key, value, LIFETIME))]);
    this.check();
  }

  private check(): void {
    if (layoutOf(this.client) !== this.layout) throw problemOf('watch', 'partitions moved to other members');
  }

  private echo({ key, value }: EntryEvent<string, unknown>): void {
    const { round } = this;
    if (!round || textOf(value) !== round.value) return;
    round.missing.delete(key);
    if (round.missing.size === 0) round.resolve();
  }
}

function layoutOf(client: HazelcastClient): string {
  return `${membersOf(client).join()}:${ownersOf(client).join()}`;
}
