import { Redis } from 'ioredis';
import type { Server } from '../servers/server.mjs';

/** A slot that is being moved from one primary of a Redis Cluster to another, key by key. */
export class SlotMove {
  private constructor(
    private readonly slot: number,
    private readonly from: Redis,
    private readonly to: Redis,
    private readonly others: Redis[],
  ) {}

  /** Marks the slot as moving. No key has moved yet. */
  static async begin(slot: number, primaries: Server[]): Promise<SlotMove> {
    const nodes = primaries.map(({ url }) => new Redis(url));
    const owners = await Promise.all(nodes.map((node) => owns(node, slot)));
    const [from] = nodes.filter((_, at) => owners[at]) as [Redis];
    const [to, ...others] = nodes.filter((_, at) => !owners[at]) as [Redis];
    const move = new SlotMove(slot, from, to, others);
    await to.cluster('SETSLOT', slot, 'IMPORTING', await idOf(from));
    await from.cluster('SETSLOT', slot, 'MIGRATING', await idOf(to));
    return move;
  }

  /** Moves some keys. Keys that do not exist stay absent. */
  async keys(...keys: string[]): Promise<void> {
    if (keys.length === 0) return;
    const { host, port } = this.to.options as { host: string; port: number };
    await this.from.migrate(host, port, '', 0, 2000, 'KEYS', ...keys);
  }

  /**
   * Moves the keys that are left, makes the other primary the owner of the slot, and closes the connections. Rejects
   * afterwards if a key was on both primaries.
   */
  async finish(): Promise<void> {
    const both: string[] = [];
    for (;;) {
      const [key] = (await this.from.cluster('GETKEYSINSLOT', this.slot, 1)) as string[];
      if (key === undefined) break;
      await this.keys(key).catch(async (error: Error) => {
        if (!error.message.includes('BUSYKEY')) throw error;
        both.push(key);
        await this.from.del(key);
      });
    }
    const owner = await idOf(this.to);
    for (const node of [this.to, this.from, ...this.others]) {
      await node.cluster('SETSLOT', this.slot, 'NODE', owner);
      node.disconnect();
    }
    if (both.length > 0) throw new Error(`on both primaries: ${both.join(', ')}`);
  }
}

async function owns(node: Redis, slot: number): Promise<boolean> {
  const [mine] = ((await node.cluster('NODES')) as string)
    .split('\n')
    .filter((line) => line.includes('myself')) as [string];
  const ranges = mine
    .split(' ')
    .slice(8)
    .filter((range) => !range.startsWith('['));
  return ranges.some((range) => {
    const [low, high = low] = range.split('-').map(Number) as [number, number?];
    return slot >= low && slot <= high;
  });
}

async function idOf(node: Redis): Promise<string> {
  return (await node.cluster('MYID')) as string;
}
