import { Injectable } from '@nestjs/common';
import { SessionService, SessionStore, type SessionViewPage } from 'nestjs-session-stores';
import type { ListDto } from './admin.dto.js';

export interface Group {
  name: string;
  size: number;
}

export interface Overview {
  sessions: number;
  /** The largest groups of the sessions that were walked over. */
  groups: Group[];
  /** Over how many sessions the walk went. */
  walked: number;
  /** How long a read of the store took, in milliseconds. */
  latency: number;
  timeout: number;
}

/** The walk ends after so many sessions. */
const MOST_WALKED = 10_000;
const LARGEST = 8;

@Injectable()
export class AdminService {
  constructor(
    private readonly sessions: SessionService,
    private readonly store: SessionStore,
  ) {}

  async overview(): Promise<Overview> {
    const latency = await this.measureRead();
    const [sessions, { sizes, walked }] = await Promise.all([this.sessions.countAll(), this.walk()]);
    const groups = [...sizes]
      .map(([name, size]) => ({ name, size }))
      .toSorted((a, b) => b.size - a.size || (a.name < b.name ? -1 : 1))
      .slice(0, LARGEST);
    return { sessions, groups, walked, latency, timeout: this.store.timeout };
  }

  page({ group, after }: ListDto): Promise<SessionViewPage> {
    const page = { after, limit: 25 };
    return group === undefined ? this.sessions.pageAll(page) : this.sessions.page({ ...page, group });
  }

  /** The sizes of the groups of all sessions, or of as many as the walk goes over. */
  private async walk(): Promise<{ sizes: Map<string, number>; walked: number }> {
    const sizes = new Map<string, number>();
    // A walk may meet a session twice.
    const met = new Set<string>();
    let after: string | undefined;
    do {
      const { views, next } = await this.sessions.pageAll({ after, limit: 1_000 });
      for (const { id, groups } of views) {
        if (met.has(id) || met.size === MOST_WALKED) continue;
        met.add(id);
        for (const group of groups) sizes.set(group, (sizes.get(group) ?? 0) + 1);
      }
      after = next;
    } while (after !== undefined && met.size < MOST_WALKED);
    return { sizes, walked: met.size };
  }

  private async measureRead(): Promise<number> {
    const start = performance.now();
    await this.store.read('health-check');
    return performance.now() - start;
  }
}
