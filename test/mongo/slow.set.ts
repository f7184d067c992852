import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { eventually } from '../eventually.js';
import { command, parameters, startMongo } from '../servers/mongo.mjs';
import type { Server } from '../servers/server.mjs';

/** How much later than clients the other members hear of what a slow member has sent, in milliseconds. */
const DELAY = 100;

/** A member of a replica set, behind a link that clients and the other members use. */
interface Member {
  server: Server;
  link: Link;
}

/** A replica set of three, whose members reach each other over links that may be slow. */
export class SlowMongoSet {
  static async start(): Promise<SlowMongoSet> {
    const args = ['--replSet', 'slow', ...parameters({ enableTestCommands: 1 })];
    const servers = await Promise.all([1, 2, 3].map(() => startMongo({ args })));
    const links = await Promise.all(servers.map(({ port }) => Link.to(port)));
    const set = new SlowMongoSet(servers.map((server, at) => ({ server, link: links[at]! })));
    const members = links.map(({ port }, _id) => ({ _id, host: `127.0.0.1:${port}` }));
    const settings = { electionTimeoutMillis: 2_000, heartbeatIntervalMillis: 200, heartbeatTimeoutSecs: 1 };
    await command(servers[0]!.url, { replSetInitiate: { _id: 'slow', members, settings } });
    return set;
  }

  private constructor(private readonly members: Member[]) {}

  get url(): string {
    return `mongodb://${this.members.map(({ link }) => `127.0.0.1:${link.port}`).join()}/?replicaSet=slow`;
  }

  /** The primary and the secondaries, once each member is one of them. */
  roles(): Promise<{ primary: Member; secondaries: Member[] }> {
    return eventually(
      async () => {
        const roles = await Promise.all(this.members.map(roleOf));
        const primary = this.members[roles.indexOf('primary')];
        if (!primary || roles.includes('none')) throw new Error(`the members are ${roles.join()}`);
        return { primary, secondaries: this.members.filter((member) => member !== primary) };
      },
      { within: 30_000 },
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map(({ server }) => server.stop()));
    for (const { link } of this.members) link.close();
  }
}

/** Whether a secondary fetches what the primary writes. */
export function fetches({ server }: Member, yes: boolean): Promise<unknown> {
  return command(server.url, { configureFailPoint: 'stopReplProducer', mode: yes ? 'off' : 'alwaysOn' });
}

export async function roleOf({ server }: Member): Promise<'primary' | 'secondary' | 'none'> {
  const { isWritablePrimary, secondary } = await command(server.url, { hello: 1 }).catch(() => ({}));
  return isWritablePrimary ? 'primary' : secondary ? 'secondary' : 'none';
}

/** A way to a port. */
class Link {
  static async to(target: number): Promise<Link> {
    const link = new Link(target);
    link.#listener.listen(0, '127.0.0.1');
    await once(link.#listener, 'listening');
    return link;
  }

  /** Whether other members receive everything late. */
  isSlow = false;
  readonly #sockets = new Set<Socket>();
  readonly #listener = createServer((socket) => this.#accept(socket));

  private constructor(private readonly target: number) {}

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  /** Cuts all connections, with what is under way on them. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#listener.close();
    this.cut();
  }

  #accept(from: Socket): void {
    const to = connect(this.target, '127.0.0.1');
    for (const [socket, other] of [
      [from, to],
      [to, from],
    ] as const) {
      this.#sockets.add(socket);
      socket
        .on('error', () => {})
        .on('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
    }
    let isMember = false;
    from.once('data', (hello) => {
      isMember = hello.includes('MongoDB Internal Client') || hello.includes('NetworkInterfaceTL');
    });
    from.on('data', (data) => to.write(data));
    to.on('data', (data) => {
      if (isMember && this.isSlow) setTimeout(() => from.destroyed || from.write(data), DELAY);
      else from.write(data);
    });
  }
}
