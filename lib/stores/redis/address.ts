import type { Cluster, ClusterNode, ClusterOptions, Redis, RedisOptions } from 'ioredis';

/** Where the server is: one of `client`, `cluster`, and `url` or `redisOptions` or both. */
export interface RedisConnectionOptions {
  /**
   * A `Redis` or `Cluster` of yours. Never closed. The store uses its options, on a connection of its own that sends no
   * command twice: a create that is sent again could bring back a session that was destroyed in between, and a destroy
   * that is sent again would not know that the first one destroyed it.
   */
  client?: Redis | Cluster | undefined;
  /** `redis://` or `rediss://`. The store connects in `open` and disconnects in `close`. */
  url?: string | undefined;
  /** ioredis' options for the store's own connection: host, port, password, tls, db, sentinels, … */
  redisOptions?: RedisOptions | undefined;
  /** Some nodes of a Redis Cluster, and ioredis' options for it. */
  cluster?: { nodes: ClusterNode[]; options?: ClusterOptions | undefined } | undefined;
}

/**
 * ioredis' options for `url`. Throws a `TypeError` for anything else; its message does not repeat the URL, which may
 * contain a password.
 */
export function optionsOf(url: unknown): RedisOptions {
  if (typeof url !== 'string' || !URL.canParse(url)) throw invalid();
  const { protocol, hostname, port, pathname, searchParams, username, password } = new URL(url);
  const login: RedisOptions = {};
  try {
    if (username !== '') login.username = decodeURIComponent(username);
    if (password !== '') login.password = decodeURIComponent(password);
  } catch {
    throw invalid();
  }
  if (protocol === 'unix:') {
    if (!pathname.startsWith('/') || hostname !== '') throw invalid();
    return { path: decodeURIComponent(pathname), ...parameters(searchParams, ['db']) };
  }
  const scheme = /^(?:redis|valkey)(s?):$/.exec(protocol);
  if (!scheme || hostname === '' || !/^(\/\d*)?$/.test(pathname)) throw invalid();
  return {
    ...login,
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    ...(port !== '' && { port: Number(port) }),
    ...(pathname.length > 1 && { db: Number(pathname.slice(1)) }),
    ...(scheme[1] === 's' && { tls: {} }),
    ...parameters(searchParams, ['family']),
  };
}

/** The parameters after the `?` that say where the server is. Others would override what our connections need. */
function parameters(given: URLSearchParams, known: string[]): RedisOptions {
  for (const [name, value] of given) {
    if (!known.includes(name) || !/^\d+$/.test(value)) {
      throw new TypeError(
        `url must have no options after \`?\` except ${known.join(' and ')}: set them in redisOptions`,
      );
    }
  }
  return Object.fromEntries([...given].map(([name, value]) => [name, Number(value)]));
}

function invalid(): TypeError {
  return new TypeError(
    'url must be a URL for Redis: write redis://[[user]:password@]host[:port][/database], rediss:// for TLS, or unix:///path, with special characters of the password percent-encoded',
  );
}

/** Where a store connects to, for error messages: without user, password and database. */
export function addressOf({ client, url, redisOptions, cluster }: RedisConnectionOptions): string {
  if (cluster) return cluster.nodes.map((node) => nodeName(node)).join(', ');
  if (client?.isCluster) return "the nodes of the client's Cluster";
  const options = { ...(client?.options as RedisOptions | undefined), ...redisOptions };
  const { path, host, port, sentinels, name } = { ...options, ...(url !== undefined && optionsOf(url)) };
  if (sentinels?.length) return `${name ?? 'the primary'} at its Sentinels`;
  return path ?? `${host ?? '127.0.0.1'}:${port ?? 6379}`;
}

function nodeName(node: unknown): string {
  if (typeof node !== 'object' || node === null) return String(node).replace(/^.*@/, '');
  const { host = '127.0.0.1', port = 6379 } = node as { host?: string; port?: number };
  return `${host}:${port}`;
}
