import { describe, expect, it } from 'vitest';
import { connectionProblemOf, isFromReplica, problemOf, problemOfProbe } from './problems.js';

/** As Redis 6.2 and 7 put the error of a script's command. */
const in6 = (message: string) =>
  `ERR Error running script (call to f_08be99c76f7a10d96dc9ea23ee73a858e02d5ce8): @user_script:12: ${message}`;
const in7 = (message: string) =>
  `${message} script: 08be99c76f7a10d96dc9ea23ee73a858e02d5ce8, on @user_script:12.`;

describe("what a server's error means", () => {
  it.each([
    ['NOAUTH Authentication required.', /requires a login\. Set user name and password$/],
    ['WRONGPASS invalid username-password pair or user is disabled.', /rejected the login/],
    ["NOPERM this user has no permissions to run the 'hset' command", /may not run HSET\. .*: \+hset$/],
    [
      "NOPERM this user has no permissions to run the 'hset' command or its subcommand",
      /may not run HSET\. .*: \+hset$/,
    ],
    [
      in7("NOPERM ACL failure in script: User app has no permissions to run the 'time' command"),
      /run TIME\./,
    ],
    [
      in7("ERR The user executing the script can't run this command or subcommand"),
      /a command of the scripts\. Open a store/,
    ],
    [
      in6("@user_script: 12: The user executing the script can't run this command or subcommand"),
      /a command of the scripts\. Open a store/,
    ],
    [
      'NOPERM this user has no permissions to access one of the keys used as arguments',
      /may not use the keys of the store/,
    ],
    [
      in7(
        "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments",
      ),
      /may not use the keys of the store/,
    ],
    ['NOPERM No permissions to access a key', /may not use the keys of the store/],
    [
      "ERR unknown command 'EVALSHA', with args beginning with: 'x'",
      /know the command EVALSHA\. Use Redis 6\.2/,
    ],
    ['ERR unknown command `info`, with args beginning with: ', /command INFO\. Set enableReadyCheck: false/],
    [in7('ERR Unknown Redis command called from script'), /a command of the scripts\. Use Redis 6\.2/],
    [in6('@user_script: 12: Unknown Redis command called from Lua script'), /a command of the scripts\. Use/],
    ["READONLY You can't write against a read only replica.", /is a replica\. Connect to the primary/],
    [in7("READONLY You can't write against a read only replica."), /is a replica/],
    [in6("@user_script: 12: -READONLY You can't write against a read only replica."), /is a replica/],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", /is a replica/],
    [
      in6("@user_script: 12: -OOM command not allowed when used memory > 'maxmemory'."),
      /out of memory\. Raise/,
    ],
    [in7("OOM command not allowed when used memory > 'maxmemory'."), /out of memory\. Raise/],
    [
      'MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.',
      /cannot save its data to disk\. Check its log/,
    ],
    [
      in6('@user_script: 12: -NOREPLICAS Not enough good replicas to write.'),
      /too few replicas .*min-replicas/,
    ],
    [
      'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
      /busy with a slow script\. Wait for it, or end it with SCRIPT KILL$/,
    ],
    ['LOADING Redis is loading the dataset in memory', /still loading its data\. Try again soon$/],
    ['CLUSTERDOWN Hash slot not served', /does not serve all slots/],
    [in6('WRONGTYPE Operation against a key holding the wrong kind of value'), /belongs to another program/],
    ['MOVED 8000 127.0.0.1:7000', /a node of a Redis Cluster\. Use `cluster`/],
    ['ERR max number of clients reached', /too many clients\. Raise maxclients/],
    ['DENIED Redis is running in protected mode because protected mode is enabled', /protected mode/],
  ])('%s', (message, problem) => {
    expect(problemOf(message)).toMatch(problem);
  });

  it('is unknown for any other error', () => {
    expect(problemOf('ERR something else')).toBeUndefined();
    expect(problemOf('BUSYGROUP Consumer Group name already exists')).toBeUndefined();
    expect(connectionProblemOf('ECONNREFUSED')).toBeUndefined();
    expect(connectionProblemOf(undefined)).toBeUndefined();
  });
});

describe('an error that concerns TLS says what to do about the certificate', () => {
  it.each([
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
    'ERR_SSL_WRONG_VERSION_NUMBER',
  ])('%s', (code) => {
    expect(connectionProblemOf(code)).toMatch(/\bcertificate\b.*\. [A-Z]/);
  });
});

describe('a server that sent an error is a replica', () => {
  const readonly = "READONLY You can't write against a read only replica.";
  it.each([
    [readonly, true],
    [in7(readonly), true],
    [in6(`@user_script: 12: -${readonly}`), true],
    [`@user_script: 12: -${readonly}`, true],
    ['MASTERDOWN Link with MASTER is down', true],
    ['ERR a READONLY session', false],
    [in6('@user_script: 12: -OOM command not allowed'), false],
  ])('%s: %s', (message, expected) => {
    expect(isFromReplica(new Error(message))).toBe(expected);
  });
});

describe('the problem of a probe', () => {
  const denied = "ERR The user executing the script can't run this command or subcommand";
  it.each([
    [[], undefined],
    [[{ name: 'HSET', message: denied }], /^the user may not run HSET\. Allow it .*: \+hset$/],
    [
      [
        { name: 'HSET', message: denied },
        { name: 'ZADD', message: `@user_script: 1: ${denied.slice(4)}` },
      ],
      /^the user may not run HSET and ZADD\. .*: \+hset \+zadd$/,
    ],
    [[{ name: 'ZADD', message: "@user_script: 1: -READONLY You can't write" }], /^the server is a replica/],
    [
      [{ name: 'TIME', message: 'ERR Unknown Redis command called from script' }],
      /does not know the command TIME/,
    ],
    // The server can be read, and sessions can be destroyed.
    [[{ name: 'SET', message: "OOM command not allowed when used memory > 'maxmemory'." }], undefined],
    [[{ name: 'SET', message: 'MISCONF Redis is configured to save RDB snapshots' }], undefined],
  ])('%j: %s', (refusals, problem) => {
    if (problem) expect(problemOfProbe(refusals)).toMatch(problem);
    else expect(problemOfProbe(refusals)).toBeUndefined();
  });
});
