/** A place in the documentation that has one heading for each public name of a type. */
export interface Documented {
  /** A page under docs/. */
  page: string;
  /** The title of a section of it. Absent: the whole page. */
  title?: string;
  /** The type, as it is written where `IMPORTS` are. */
  type: string;
  /** The type in `NAMES` that has its names. */
  name: string;
  /** What stands below each heading. */
  has: RegExp[];
}

const IMPORTS = `
import type { CookieIdentityOptions, HeaderIdentityOptions, Session, SessionIdentity, SessionModule, SessionService } from 'nestjs-session-stores';
import type { ExpressSessionOptions, ExpressStoreOptions, ToExpressStoreOptions } from 'nestjs-session-stores/express';
import type { SubscriptionSessionOptions } from 'nestjs-session-stores/graphql';
import type { SessionReadinessOptions } from 'nestjs-session-stores/health';
import type { SessionInstrumentationOptions } from 'nestjs-session-stores/opentelemetry';
import type { SocketSessionOptions } from 'nestjs-session-stores/sockets';
import type { ClusterStoreOptions, ServeSessionsOptions } from 'nestjs-session-stores/stores/cluster';
import type { HazelcastStoreOptions, ReplicaMap } from 'nestjs-session-stores/stores/hazelcast';
import type { LoginOptions, MemoryStoreOptions, TestLogin } from 'nestjs-session-stores/testing';
import type { MongoStoreOptions } from 'nestjs-session-stores/stores/mongo';
import type { RedisStoreOptions } from 'nestjs-session-stores/stores/redis';
`;

/** What stands below the heading of an option. */
const OPTION = [/^- Type: \S/m, /^- Default: \S/m];
const EXAMPLE = [/^```ts$/m];

const PLACES: Omit<Documented, 'name'>[] = [
  {
    page: 'reference/options.md',
    type: 'Parameters<typeof SessionModule.forRoot>[0]',
    has: [...OPTION, ...EXAMPLE],
  },
  { page: 'reference/session.md', type: 'Session', has: EXAMPLE },
  { page: 'reference/session-service.md', type: 'SessionService', has: EXAMPLE },
  {
    page: 'reference/identities.md',
    title: '`cookieIdentity(options)`',
    type: 'CookieIdentityOptions',
    has: OPTION,
  },
  {
    page: 'reference/identities.md',
    title: '`headerIdentity(options)`',
    type: 'HeaderIdentityOptions',
    has: OPTION,
  },
  {
    page: 'reference/identities.md',
    title: 'An identity of your own',
    type: 'SessionIdentity',
    has: [/^[A-Z]/m],
  },
  {
    page: 'reference/sockets.md',
    title: 'Options of `withSessions()`',
    type: 'SocketSessionOptions',
    has: OPTION,
  },
  {
    page: 'reference/sockets.md',
    title: 'Options of `subscriptionsWithSessions()`',
    type: 'SubscriptionSessionOptions',
    has: OPTION,
  },
  {
    page: 'reference/express.md',
    title: 'Options of `session()`',
    type: 'ExpressSessionOptions',
    has: OPTION,
  },
  {
    page: 'reference/express.md',
    title: 'Options of `toExpressStore()`',
    type: 'ToExpressStoreOptions',
    has: OPTION,
  },
  { page: 'reference/testing.md', title: 'Options of `loginAs()`', type: 'LoginOptions', has: OPTION },
  { page: 'reference/testing.md', title: '`TestLogin`', type: 'TestLogin', has: [/^[A-Z]/m] },
  {
    page: 'reference/testing.md',
    title: 'Options of `MemoryStore`',
    type: 'MemoryStoreOptions',
    has: OPTION,
  },
  {
    page: 'reference/diagnostics.md',
    title: 'Options of `instrumentSessions()`',
    type: 'SessionInstrumentationOptions',
    has: OPTION,
  },
  {
    page: 'guide/health.md',
    title: 'Options of `readiness()`',
    type: 'SessionReadinessOptions',
    has: OPTION,
  },
  { page: 'stores/cluster.md', title: 'Options', type: 'ClusterStoreOptions', has: OPTION },
  {
    page: 'stores/cluster.md',
    title: 'Options of `serveSessions()`',
    type: 'ServeSessionsOptions',
    has: OPTION,
  },
  { page: 'stores/redis.md', title: 'Options', type: 'RedisStoreOptions', has: OPTION },
  { page: 'stores/mongo.md', title: 'Options', type: 'MongoStoreOptions', has: OPTION },
  { page: 'stores/hazelcast.md', title: 'Options', type: 'HazelcastStoreOptions', has: OPTION },
  { page: 'stores/hazelcast.md', title: 'Replica maps', type: 'ReplicaMap', has: OPTION },
  { page: 'stores/express-session.md', title: 'Options', type: 'ExpressStoreOptions', has: OPTION },
];

export const DOCUMENTED: readonly Documented[] = PLACES.map(({ page, title, type, has }, at) => ({
  page,
  title,
  type,
  name: `Names${at}`,
  has,
}));

/** A module that exports the public names of each type. */
export const NAMES = [
  IMPORTS,
  ...DOCUMENTED.map(({ name, type }) => `export type ${name} = Exclude<keyof NonNullable<${type}>, symbol>;`),
].join('\n');
