import { join } from 'node:path';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';

// How `req.session` and the types of a session look to an app, with and without the types of the packages that declare
// `session` on a request themselves. Each app is compiled against what ships.

const root = join(import.meta.dirname, '..');

/** What every app has: data of its own, by our module alone. */
const AUGMENTED = `declare module 'nestjs-session-stores' { interface SessionData { user: string; visits: number } }`;

/** What a handler does with the session that is on its request. */
const USED = `
  const user: string | undefined = session.user;
  const saved: Promise<void> = session.save();
  const joined: Promise<void> = session.joinGroup('user:1');
  const visits: Promise<number> = session.add('visits', 1);
  const taken: Promise<string | undefined> = session.take('user');
  session.destroy((error) => error?.message);
  session.cookie.maxAge = 60_000;
  const same: Session = session;
  // @ts-expect-error a value of another type
  session.visits = 'many';
  // @ts-expect-error no such property
  session.unknown;
  return { user, saved, joined, visits, taken, same };`;

const EXPRESS = `import type { Request } from 'express';
  export function handle({ session }: Request) { ${USED} }`;
const FASTIFY = `import type { FastifyRequest } from 'fastify';
  export function handle({ session }: FastifyRequest) { ${USED} }`;
const NEST = `import { Controller, Get } from '@nestjs/common';
  @Controller() export class Cart { @Get() show(@Session() session: Session) { ${USED} } }`;

/** The packages whose types an app may have. */
const TYPES = ['@types/express-session', '@fastify/session', 'fastify', '@types/express'] as const;
type Types = (typeof TYPES)[number];

interface App {
  sources: string[];
  /** What is installed; the packages of `TYPES` that are not among it cannot be found. */
  installed?: readonly Types[];
  /** The packages whose types are in the program without an import. */
  types?: string[];
  compilerOptions?: object;
}

/** Apps that check every library too, each of which takes the compiler some ten seconds. */
const CHECKED: [string, App][] = [
  [
    'with every library checked, and none of these types',
    { sources: [NEST], installed: [], compilerOptions: { skipLibCheck: false } },
  ],
  [
    'with every library checked, and all of these types',
    {
      sources: [EXPRESS, FASTIFY, `import '@fastify/session'; import 'express-session';`],
      compilerOptions: { skipLibCheck: false, exactOptionalPropertyTypes: true },
    },
  ],
];

/** The files of packages, parsed once for all apps. */
const parsed = new Map<string, ts.SourceFile | undefined>();

/** What the compiler says of an app and of ours; of others' types, nothing. */
function problemsOf({ sources, installed = TYPES, types = [], compilerOptions }: App): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (file) => ts.sys.readFile(file));
  const { options } = ts.convertCompilerOptionsFromJson(
    { ...config.compilerOptions, types: ['node', ...types], ...compilerOptions },
    root,
  );
  // Under test/, so that packages and the package's own name are found from there.
  const files = new Map(sources.map((source, at) => [join(root, 'test', `app-${at}.ts`), source]));
  const hidden = TYPES.filter((one) => !installed.includes(one)).map((one) => `/node_modules/${one}/`);
  const isHidden = (path: string): boolean => hidden.some((one) => `${path}/`.includes(one));
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, directoryExists, readFile } = host;
  host.fileExists = (file) => files.has(file) || (!isHidden(file) && fileExists(file));
  host.directoryExists = (folder) => !isHidden(folder) && directoryExists!(folder);
  host.readFile = (file) => (isHidden(file) ? undefined : readFile(file));
  host.getSourceFile = (file, languageVersion) => {
    const source = files.get(file);
    if (source !== undefined) {
      const code = `import { Session } from 'nestjs-session-stores';\n${AUGMENTED}\n${source}`;
      return ts.createSourceFile(file, code, languageVersion);
    }
    if (!parsed.has(file)) parsed.set(file, getSourceFile(file, languageVersion));
    return parsed.get(file);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .filter(({ file }) => file && (files.has(file.fileName) || file.fileName.startsWith(join(root, 'dist'))))
    .map(
      ({ file, code, messageText }) =>
        `${file!.fileName}: TS${code} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    );
}

/** The names that files export, types included. */
function exportsOf(files: string[]): string[] {
  const program = ts.createProgram(files, { module: ts.ModuleKind.NodeNext, skipLibCheck: true });
  const checker = program.getTypeChecker();
  return files.flatMap((file) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file)!)!;
    return checker.getExportsOfModule(module).map(({ name }) => name);
  });
}

describe('an app that augments SessionData of this package has its data and our methods on req.session', () => {
  it.each<[string, App]>([
    ['without types of a platform', { sources: [NEST], installed: [] }],
    [
      'on Express, without types of express-session',
      { sources: [EXPRESS, NEST], installed: ['@types/express'] },
    ],
    ['on Express, with types of express-session that nothing imports', { sources: [EXPRESS] }],
    [
      'on Express, with types of express-session in every file',
      { sources: [EXPRESS], types: ['express-session'] },
    ],
    ['on Express, beside the drop-in', { sources: [EXPRESS, `import 'nestjs-session-stores/express';`] }],
    ['on Fastify, without types of @fastify/session', { sources: [FASTIFY], installed: ['fastify'] }],
    ['on Fastify, beside @fastify/session', { sources: [FASTIFY, `import '@fastify/session';`] }],
    ...(process.env['LONG'] ? CHECKED : []),
  ])('%s', (_, app) => {
    expect(problemsOf(app)).toEqual([]);
  });
});

/** Options by the entry point that exports them. */
const OPTIONS: Record<string, string[]> = {
  '': [
    'SessionOptions',
    'SessionModuleOptions',
    'SessionCacheOptions',
    'SessionEncryptOptions',
    'SessionMigrateOptions',
    'SessionCookieOptions',
    'CookieIdentityOptions',
    'HeaderIdentityOptions',
    'SessionIdentity',
    'CreateOptions',
    'LimitOptions',
    'PageOptions',
    'ClearOptions',
    'RotateOptions',
  ],
  '/express': ['ExpressSessionOptions', 'ToExpressStoreOptions', 'ExpressStoreOptions'],
  '/sockets': ['SocketSessionOptions'],
  '/graphql': ['SubscriptionSessionOptions'],
  '/health': ['SessionReadinessOptions'],
  '/opentelemetry': ['SessionInstrumentationOptions'],
  '/store': [
    'CachedStoreOptions',
    'EncryptedStoreOptions',
    'SessionEncryptOptions',
    'MigratingStoreOptions',
    'SessionMigrateOptions',
    'SessionPageOptions',
  ],
  '/stores/cluster': ['ClusterStoreOptions', 'ServeSessionsOptions', 'SessionServing'],
  '/stores/redis': ['RedisStoreOptions', "RedisStoreOptions['cluster'] & object"],
  '/stores/mongo': ['MongoStoreOptions'],
  '/stores/hazelcast': ['HazelcastStoreOptions', 'ReplicaMap'],
  '/stores/express': ['ExpressStoreOptions'],
};

describe('under exactOptionalPropertyTypes an app may pass undefined for each of', () => {
  const types = Object.entries(OPTIONS).flatMap(([subpath, names]) =>
    names.map((name) => ({ name, subpath })),
  );
  let problems: string[];
  beforeAll(() => {
    const sources = types.map(
      ({ name, subpath }) => `
        import type * as entry from 'nestjs-session-stores${subpath}';
        type Rejecting<T> = {
          [K in keyof T]-?: {} extends Pick<T, K> ? (Record<K, undefined> extends Pick<T, K> ? never : K) : never;
        }[keyof T];
        type Found = Rejecting<entry.${name}>;
        export const found: [Found] extends [never] ? true : Found = true;`,
    );
    problems = problemsOf({ sources, compilerOptions: { exactOptionalPropertyTypes: true } });
  }, 120_000);

  it.each(types.map(({ name, subpath }, at) => [name, subpath || '.', at] as const))(
    '%s of %s',
    (_, __, at) => {
      expect(problems.filter((problem) => problem.includes(`app-${at}.ts`))).toEqual([]);
    },
  );

  it('every other interface of options that an entry point exports is part of these', () => {
    const files = Object.keys(OPTIONS).map((subpath) =>
      join(root, 'dist/lib', subpath === '/store' ? 'store.d.ts' : `${subpath}/index.d.ts`),
    );
    const exported = exportsOf(files).filter((name) => name.endsWith('Options'));
    expect(exported.filter((one) => !types.some(({ name }) => name === one))).toEqual([
      'CookieOptions', // of express-session
      'GraphqlWsOptions', // of graphql-ws
      'RedisConnectionOptions',
      'MongoConnectionOptions',
      'HazelcastConnectionOptions',
    ]);
  });
});

it('functions of a request may take that of Express', () => {
  const options = `import type { Request } from 'express';
    import { sessionMiddleware, type SessionIdentity } from 'nestjs-session-stores';
    declare const store: import('nestjs-session-stores').SessionStore;
    declare const identity: SessionIdentity;
    sessionMiddleware({ secret: 's', store, genid: (req: Request) => req.ip ?? '' });
    sessionMiddleware({ secret: 's', store, client: (req: Request) => ({ ip: req.ip, userAgent: req.get('user-agent') }) });
    sessionMiddleware({ secret: 's', store, cookie: (req: Request) => ({ path: req.baseUrl }) });
    export const scoped: SessionIdentity = { ...identity, appliesTo: (req: Request) => req.subdomains.length > 0 };`;
  expect(problemsOf({ sources: [options] })).toEqual([]);
});

it('the types show what may be undefined: a destroyed session, a view, a value of its data', () => {
  const sources = [
    `import { sessionOf } from 'nestjs-session-stores'; declare const c: any; sessionOf(c).user;`,
    `declare const s: import('nestjs-session-stores').SessionService; (await s.find('i')).data;`,
    `declare const v: import('nestjs-session-stores').SessionView; const user: string = v.data.user;`,
  ];
  expect(problemsOf({ sources })).toEqual(
    sources.map((_, at) => expect.stringMatching(new RegExp(`app-${at}.*TS(2532|2322)`))),
  );
});

it('the entry point for apps exports nothing that only authors of stores need', async () => {
  const offered = Object.keys(await import('nestjs-session-stores'));
  expect(offered.toSorted()).toEqual([
    'AllowCrossSite',
    'CrossSiteError',
    'FreshSession',
    'Passive',
    'SESSION_MIDDLEWARE',
    'Session',
    'SessionGoneError',
    'SessionLimitError',
    'SessionModule',
    'SessionService',
    'SessionStore',
    'SessionStoreError',
    'SessionTooLargeError',
    'cookieIdentity',
    'headerIdentity',
    'sessionMiddleware',
    'sessionOf',
  ]);
});
