import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

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
  session.destroy((error) => error?.message);
  session.cookie.maxAge = 60_000;
  const same: Session = session;
  // @ts-expect-error a value of another type
  session.visits = 'many';
  // @ts-expect-error no such property
  session.nobody;
  return { user, saved, joined, same };`;

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
  source: string;
  /** What is installed; the packages of `TYPES` that are not among it cannot be found. */
  installed?: readonly Types[];
  /** The packages whose types are in the program without an import. */
  types?: string[];
  skipLibCheck?: boolean;
  compilerOptions?: object;
}

/** The files of packages, parsed once for all apps. */
const parsed = new Map<string, ts.SourceFile | undefined>();

/** What the compiler says of an app; of what is not ours or the app's, nothing. */
function problemsOf({
  source,
  installed = TYPES,
  types = [],
  skipLibCheck = true,
  compilerOptions,
}: App): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (file) => ts.sys.readFile(file));
  const { options } = ts.convertCompilerOptionsFromJson(
    { ...config.compilerOptions, types: ['node', ...types], skipLibCheck, ...compilerOptions },
    root,
  );
  // Under test/, so that packages and the package's own name are found from there.
  const app = join(root, 'test', 'an-app.ts');
  const hidden = TYPES.filter((one) => !installed.includes(one)).map((one) => `/node_modules/${one}/`);
  const isHidden = (path: string): boolean => hidden.some((one) => `${path}/`.includes(one));
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, directoryExists, readFile } = host;
  host.fileExists = (file) => file === app || (!isHidden(file) && fileExists(file));
  host.directoryExists = (folder) => !isHidden(folder) && directoryExists!(folder);
  host.readFile = (file) => (isHidden(file) ? undefined : readFile(file));
  host.getSourceFile = (file, languageVersion) => {
    if (file === app) {
      const code = `import { Session } from 'nestjs-session-stores';\n${AUGMENTED}\n${source}`;
      return ts.createSourceFile(file, code, languageVersion);
    }
    if (!parsed.has(file)) parsed.set(file, getSourceFile(file, languageVersion));
    return parsed.get(file);
  };
  const program = ts.createProgram([app], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .filter(({ file }) => file && (file.fileName === app || file.fileName.startsWith(join(root, 'dist'))))
    .map(
      ({ file, code, messageText }) =>
        `${file!.fileName}: TS${code} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    );
}

describe('an app that augments SessionData of this package has its data and our methods on req.session', () => {
  it.each<[string, App]>([
    ['@Session() of a Nest handler', { source: NEST }],
    ['@Session() without types of a platform', { source: NEST, installed: [] }],
    ['Express, without types of express-session', { source: EXPRESS, installed: ['@types/express'] }],
    ['Express, with types of express-session that nothing imports', { source: EXPRESS }],
    ['Express, with types of express-session in every file', { source: EXPRESS, types: ['express-session'] }],
    ['Express and express-session', { source: `import 'express-session'; ${EXPRESS}` }],
    ['Express and the drop-in', { source: `import 'nestjs-session-stores/express'; ${EXPRESS}` }],
    ['Fastify, without types of @fastify/session', { source: FASTIFY, installed: ['fastify'] }],
    ['Fastify and @fastify/session', { source: `import '@fastify/session'; ${FASTIFY}` }],
    [
      'exactOptionalPropertyTypes',
      { source: EXPRESS, compilerOptions: { exactOptionalPropertyTypes: true } },
    ],
    [
      'every library checked, without types of anything',
      { source: NEST, installed: [], skipLibCheck: false },
    ],
    [
      'every library checked, with everything there is',
      {
        source: `import '@fastify/session'; import 'nestjs-session-stores/express'; ${FASTIFY}`,
        skipLibCheck: false,
      },
    ],
  ])('%s', (_, app) => {
    expect(problemsOf(app)).toEqual([]);
  });
});

describe('the types say what may be absent', () => {
  it.each([
    [
      'sessionOf',
      `import { sessionOf } from 'nestjs-session-stores'; declare const c: any; sessionOf(c).user;`,
    ],
    [
      'the data of a view',
      `declare const s: import('nestjs-session-stores').SessionService; (await s.find('i')).data;`,
    ],
    [
      'a value of the data of a view',
      `declare const v: import('nestjs-session-stores').SessionView; const user: string = v.data.user;`,
    ],
  ])('%s', (_, source) => {
    expect(problemsOf({ source })).toEqual([expect.stringMatching(/TS(2532|2322|18048)/)]);
  });
});

it('an app that stores nothing is offered nothing of what authors of stores need', async () => {
  const offered = Object.keys(await import('nestjs-session-stores'));
  expect(offered.toSorted()).toEqual([
    'SESSION_MIDDLEWARE',
    'Session',
    'SessionGoneError',
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
