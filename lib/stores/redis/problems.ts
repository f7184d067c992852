/** Explanations of the server's errors, with advice. */
const PROBLEMS: [pattern: RegExp, problem: string | ((match: RegExpExecArray) => string)][] = [
  [/^NOAUTH|^ERR AUTH /, 'the server requires a login. Set user name and password'],
  [/^WRONGPASS/, 'the server rejected the login. Check user name and password'],
  [
    /no permissions to run the '([^']+)' command/,
    ([, name]) => `the user may not run ${upper(name)}. Allow it with ACL SETUSER: +${name}`,
  ],
  [
    /\bchannels?\b/i,
    'the user may not use the channels of the store. Allow those that start with its prefix with ACL SETUSER: & and the prefix and *',
  ],
  [
    /no permissions? to access|can't access at least one of the keys|access a key/i,
    'the user may not use the keys of the store. Allow those that start with its prefix with ACL SETUSER: ~ and the prefix and *',
  ],
  [
    /^NOPERM|can't run this command or subcommand/,
    'the user may not run a command of the scripts. Open a store with this user: its error says which one',
  ],
  [
    /unknown command ['`]?([\w|]+)/i,
    ([, name]) =>
      name?.toLowerCase() === 'info'
        ? 'the server does not know the command INFO. Set enableReadyCheck: false in the options of ioredis, or remove its rename-command'
        : `the server does not know the command ${upper(name)}. Use Redis 6.2 or newer, or Valkey, without a rename-command for it`,
  ],
  [
    /^(ERR )?Unknown Redis command called from/i,
    'the server does not know a command of the scripts. Use Redis 6.2 or newer, or Valkey, without rename-command',
  ],
  [
    /^(MOVED|ASK|CROSSSLOT)/,
    'the server is a node of a Redis Cluster. Use `cluster`, or pass a Cluster as `client`',
  ],
  [
    /DB index is out of range|invalid DB index/,
    'the server has no database with this number. See its `databases`',
  ],
  [/cluster support disabled/i, 'the server is not a node of a Redis Cluster. Use `url` or `redisOptions`'],
  [/^(READONLY|MASTERDOWN)/, 'the server is a replica. Connect to the primary, or to the Sentinels'],
  [/^OOM/, 'the server is out of memory. Raise maxmemory, or shorten the lifetime of sessions'],
  [
    /^MISCONF/,
    'the server accepts no writes, because it cannot save its data to disk. Check its log and its disk',
  ],
  [
    /^NOREPLICAS/,
    'the server accepts no writes, because too few replicas are connected. Check them, or lower min-replicas-to-write',
  ],
  [/^BUSY /, 'the server is busy with a slow script. Wait for it, or end it with SCRIPT KILL'],
  [/^LOADING/, 'the server is still loading its data. Try again soon'],
  [
    /^CLUSTERDOWN/,
    'the Redis Cluster does not serve all slots. Try again soon, and check CLUSTER INFO if that persists',
  ],
  [/^TRYAGAIN/, 'the Redis Cluster is moving these keys to another node. Try again soon'],
  [/^WRONGTYPE/, 'a key with this prefix belongs to another program. Choose another prefix'],
  [/max number of clients/, 'the server has too many clients. Raise maxclients, or close some clients'],
  [
    /Unknown RESP type|^Protocol error, got/,
    'the server does not use the protocol of Redis. Check host and port',
  ],
  [
    /^DENIED/,
    'the server is in protected mode, and accepts only clients on its own machine. Set a password on the server',
  ],
];

/** The codes of errors of the connection. */
const CONNECTION_PROBLEMS: [code: RegExp, problem: string][] = [
  [
    /^(ENOTFOUND|EAI_AGAIN)$/,
    'the host name of the server is not known. Check it, and the DNS of this machine',
  ],
  [/^CERT_HAS_EXPIRED/, 'the certificate of the server has expired. Renew it on the server'],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID/,
    'the certificate of the server is for another host name. Connect with that name, or set it as tls: { servername }',
  ],
  [
    /^(DEPTH_ZERO_SELF|SELF)_SIGNED_CERT|^UNABLE_TO_|^CERT_/,
    'the certificate of the server is not signed by a known authority. Pass the certificate of its authority as tls: { ca }',
  ],
  [
    /CERTIFICATE_REQUIRED|ALERT_(HANDSHAKE_FAILURE|BAD_CERTIFICATE|UNKNOWN_CA)/,
    'the server requires a client certificate that it trusts. Pass one as tls: { cert, key }',
  ],
  [
    /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)/,
    'the server does not use TLS on this port, so it has no certificate. Use redis://, or the port for TLS',
  ],
];

/** The problem that the message of an error means; `undefined` if it is not known. */
export function problemOf(message: string): string | undefined {
  const words = unwrapped(message);
  for (const [pattern, problem] of PROBLEMS) {
    const match = pattern.exec(words);
    if (match) return typeof problem === 'string' ? problem : problem(match);
  }
  return undefined;
}

/** The problem that the code of an error of the connection means; `undefined` if it is not known. */
export function connectionProblemOf(code: unknown): string | undefined {
  if (typeof code !== 'string') return undefined;
  return CONNECTION_PROBLEMS.find(([pattern]) => pattern.test(code))?.[1];
}

/** Whether the server that sent an error is a replica. */
export function isFromReplica(error: unknown): boolean {
  return error instanceof Error && /^(READONLY|MASTERDOWN)/.test(unwrapped(error.message));
}

/** The error of a command in a script, which Redis 6.2 puts behind where in the script it happened. */
function unwrapped(message: string): string {
  return message.replace(/^(ERR Error running script \(call to \w+\): )?(@user_script: ?\d+: ?)*-?/, '');
}

/** What the server said of a command that the probe could not run. */
export interface Refusal {
  name: string;
  message: string;
}

/** The problem that the refusals of a probe mean; `undefined` if they say nothing of the user or the server as such. */
export function problemOfProbe(refusals: Refusal[]): string | undefined {
  const replica = refusals.find(({ message }) => isFromReplica(new Error(message)));
  if (replica) return problemOf(replica.message);
  const isDenied = /NOPERM|can't run this command|no permissions to run/;
  const isUnknown = /unknown redis command|unknown command/i;
  const isAboutKeys = /access at least one of the keys|access a key|access one of the keys/;
  const named = (pattern: RegExp) =>
    refusals.filter(({ message }) => pattern.test(message)).map(({ name }) => name);

  const unknown = named(isUnknown);
  if (unknown.length > 0) {
    return `the server does not know the command ${list(unknown)}. Use Redis 6.2 or newer, or Valkey, without a rename-command for it`;
  }
  const keys = refusals.find(({ message }) => isAboutKeys.test(message));
  if (keys) return problemOf(keys.message);
  const channels = refusals.find(({ message }) => /\bchannels?\b/i.test(message));
  if (channels) return problemOf(channels.message);
  const denied = named(isDenied);
  if (denied.length > 0) {
    return `the user may not run ${list(denied)}. Allow it with ACL SETUSER: ${denied.map((name) => `+${name.toLowerCase()}`).join(' ')}`;
  }
  return undefined;
}

function list(names: string[]): string {
  const all = names.map(upper);
  return all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`;
}

function upper(name: string | undefined): string {
  return (name ?? '').toUpperCase();
}
