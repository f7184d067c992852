import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/** A store's driver, by the store's word; stores without a backend of their own have none. */
const DRIVERS: Record<string, string | undefined> = {
  cluster: undefined,
  express: undefined,
  hazelcast: 'hazelcast-client',
  mongo: 'mongoose',
  redis: 'ioredis',
};

/** The rooms of `lib/`, each with those that it may import beside itself. */
const ROOMS: Record<string, readonly string[]> = {
  contract: [],
  'stores/shared': ['contract'],
  cache: ['contract'],
  encryption: ['contract'],
  migration: ['contract'],
  laws: ['contract'],
  cookie: ['contract'],
  token: ['contract', 'cookie'],
  session: ['contract', 'cookie', 'token'],
  options: ['contract', 'cache', 'encryption', 'migration', 'cookie', 'token', 'session'],
  http: ['contract', 'cookie', 'token', 'session', 'options'],
  express: [
    'contract',
    'cache',
    'encryption',
    'migration',
    'cookie',
    'token',
    'session',
    'options',
    'http',
    'stores/express',
  ],
  handshake: ['contract', 'cookie', 'token', 'session', 'options', 'http'],
  nest: ['contract', 'cookie', 'token', 'session', 'options', 'http', 'handshake'],
  sockets: ['contract', 'cookie', 'token', 'session', 'options', 'http', 'handshake', 'nest'],
  // For the tests of apps: a store in memory, and logins on a Nest app.
  testing: ['contract', 'cookie', 'token', 'session', 'nest', 'stores/cluster'],
  health: ['contract', 'session'],
  opentelemetry: ['contract', 'cache'],
  graphql: ['contract', 'cookie', 'token', 'session', 'options', 'http', 'handshake', 'nest'],
  // No store: each examines its own backend.
  doctor: ['contract', 'cookie', 'token', 'session', 'options'],
  cli: ['contract', 'session', 'options', 'doctor'],
  // For what goes around any store and ships with this package.
  decorators: ['contract'],
};

const root = join(import.meta.dirname, '..');
const files = ['lib', 'sample-app', 'test', 'bench']
  .flatMap((folder) => filesUnder(folder))
  .filter((file) => /\.m?ts$|\.mjs$/.test(file));
const sources = files.filter((file) => file.startsWith('lib/') && !file.endsWith('.spec.ts'));
const stores = readdirSync(join(root, 'lib/stores')).filter((folder) => folder !== 'shared');
for (const store of stores) ROOMS[`stores/${store}`] = ['contract', 'stores/shared'];
const rooms = Object.keys(ROOMS);

/** The room that a file of `lib/` is in; `undefined` for an entry point. */
function roomOf(file: string): string | undefined {
  return rooms.find((room) => file.startsWith(`lib/${room}/`));
}

function filesUnder(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((file) => !file.includes('node_modules'));
}

interface Import {
  /** What is written: a package, or a path. */
  specifier: string;
  /** The file in this project it means; `undefined` for a package. */
  file: string | undefined;
  typeOnly: boolean;
  dynamic: boolean;
}

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
}

function importsOf(file: string): Import[] {
  const imports: Import[] = [];
  const add = (node: ts.Expression | undefined, typeOnly: boolean, dynamic: boolean): void => {
    if (!node || !ts.isStringLiteralLike(node)) return;
    const specifier = node.text;
    const path = specifier.startsWith('.') ? relative(root, join(root, dirname(file), specifier)) : undefined;
    const source = path?.replace(/\.js$/, '.ts');
    imports.push({
      specifier,
      file: source && existsSync(join(root, source)) ? source : path,
      typeOnly,
      dynamic,
    });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const { importClause } = node;
      const names = importClause?.namedBindings;
      const allTypes =
        importClause !== undefined &&
        importClause.name === undefined &&
        names !== undefined &&
        ts.isNamedImports(names) &&
        names.elements.every((element) => element.isTypeOnly);
      add(node.moduleSpecifier, importClause?.isTypeOnly === true || allTypes, false);
    } else if (ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, node.isTypeOnly, false);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, true, false);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false, true);
    }
    ts.forEachChild(node, visit);
  };
  visit(parse(file));
  return imports;
}

/** Everything that loading `file` loads, files and packages. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const { specifier, file: imported, typeOnly, dynamic } of importsOf(file)) {
    if (typeOnly || dynamic) continue;
    if (imported === undefined) seen.add(specifier);
    else loadedBy(imported, seen);
  }
  return seen;
}

describe('the imports between rooms', () => {
  it('every file of lib/ is in a room, or is an entry point', () => {
    expect(sources.filter((file) => roomOf(file) === undefined)).toEqual(['lib/index.ts', 'lib/store.ts']);
  });

  it.each(rooms)('%s imports only the rooms that ROOMS lists for it', (room) => {
    const wrong = sources
      .filter((file) => roomOf(file) === room)
      .flatMap((file) =>
        importsOf(file)
          .filter((one) => one.file !== undefined && !one.dynamic)
          .filter((one) => ![room, ...ROOMS[room]!].includes(roomOf(one.file!) ?? 'an entry point'))
          .map(({ specifier }) => `${file} imports ${specifier}`),
      );
    expect(wrong).toEqual([]);
  });

  it('the contract imports no package', () => {
    const inContract = sources.filter((file) => roomOf(file) === 'contract');
    const packages = inContract
      .flatMap(importsOf)
      .filter(({ file, specifier }) => file === undefined && !specifier.startsWith('node:'));
    expect(packages).toEqual([]);
  });

  it.each(stores)('the store %s imports no package but its driver', (store) => {
    expect(Object.keys(DRIVERS), 'name its driver in this spec').toContain(store);
    // What express-session's stores are given is its cookie.
    const driver = store === 'express' ? 'express-session' : DRIVERS[store];
    const packages = sources
      .filter((file) => roomOf(file) === `stores/${store}`)
      .flatMap(importsOf)
      .filter(({ file, specifier }) => file === undefined && !specifier.startsWith('node:'));
    expect(packages.filter(({ specifier }) => specifier !== driver)).toEqual([]);
  });

  it('the laws import types alone from the contract, so that they judge a store of any copy of the package', () => {
    const loaded = sources
      .filter((file) => roomOf(file) === 'laws')
      .flatMap(importsOf)
      .filter(({ file, specifier, typeOnly }) =>
        file === undefined ? !specifier.startsWith('node:') : roomOf(file) !== 'laws' && !typeOnly,
      );
    expect(loaded).toEqual([]);
  });

  it('only the module, for the default one, and the command line load a store, when it is needed', () => {
    const loaded = sources.flatMap((file) =>
      importsOf(file)
        .filter(({ dynamic, file: loadedFile }) => dynamic && loadedFile !== undefined)
        .map(({ specifier }) => `${file} loads ${specifier}`),
    );
    expect(loaded).toEqual([
      'lib/cli/stores.ts loads ../stores/redis/index.js',
      'lib/cli/stores.ts loads ../stores/redis/address.js',
      'lib/cli/stores.ts loads ../stores/mongo/index.js',
      'lib/cli/stores.ts loads ../stores/hazelcast/index.js',
      'lib/nest/session.module.ts loads ../stores/cluster/index.js',
    ]);
  });

  it('no file of lib/ imports itself in a circle, types included', () => {
    const circles: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, path: string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (done.has(file)) return;
      done.add(file);
      for (const one of importsOf(file)) if (one.file && !one.dynamic) visit(one.file, [...path, file]);
    };
    for (const file of sources) visit(file, []);
    expect(circles).toEqual([]);
  });

  it('an entry point for apps loads no driver, . nothing of sockets and GraphQL, and ./express nothing of Nest', () => {
    const drivers = Object.values(DRIVERS).filter((driver) => driver !== undefined);
    const loaded = (entry: string): string[] => [...loadedBy(entry)];
    expect(
      loaded('lib/index.ts').filter(
        (one) => drivers.includes(one) || /^(@nestjs\/(websockets|graphql)|graphql)/.test(one),
      ),
    ).toEqual([]);
    expect(
      loaded('lib/express/index.ts').filter(
        (one) => drivers.includes(one) || /^(@nestjs|rxjs|reflect)/.test(one),
      ),
    ).toEqual([]);
  });

  it('only ./health loads @nestjs/terminus, and only ./opentelemetry the API of OpenTelemetry', () => {
    const optional: [string, RegExp][] = [
      ['health', /^@nestjs\/terminus/],
      ['opentelemetry', /^@opentelemetry\//],
    ];
    for (const [room, name] of optional) {
      const loading = sources.filter((file) => importsOf(file).some(({ specifier }) => name.test(specifier)));
      expect(loading.map(roomOf).filter((one) => one !== room)).toEqual([]);
      expect(
        [...loadedBy(`lib/${room}/index.ts`)].some((one) => name.test(one)),
        room,
      ).toBe(true);
    }
  });

  it('only the command line loads commander, and no entry point loads the command line', () => {
    const importers = sources.filter((file) =>
      importsOf(file).some(({ specifier }) => specifier === 'commander'),
    );
    expect(importers.filter((file) => roomOf(file) !== 'cli')).toEqual([]);
    const entries = sources.filter(
      (file) => /^lib\/(?!cli\/)(.*\/)?index\.ts$/.test(file) || file === 'lib/store.ts',
    );
    expect(entries).toContain('lib/stores/redis/index.ts');
    for (const entry of entries)
      expect(
        [...loadedBy(entry)].filter((one) => one.startsWith('lib/cli/')),
        entry,
      ).toEqual([]);
  });

  it('./graphql loads graphql alone of its packages, and nothing of gateways', () => {
    const loaded = [...loadedBy('lib/graphql/index.ts')];
    expect(loaded.filter((one) => /^(graphql|@nestjs\/(websockets|graphql|apollo))/.test(one))).toEqual([
      'graphql',
    ]);
    expect(loaded.filter((one) => one.startsWith('lib/sockets/'))).toEqual([]);
  });

  it('files outside lib/ import the package by its name, and so do specs except for the pure file beside them', () => {
    for (const file of files.filter((one) => !sources.includes(one))) {
      // The types of a record and of a feed have no class that could stand twice.
      const inLib = importsOf(file).filter(
        (one) => one.file?.startsWith('lib/') && !/^lib\/contract\/(record|feed)\.ts$/.test(one.file),
      );
      if (inLib.length === 0) continue;
      const own = file.replace('.spec.ts', '.ts');
      const inItsFolder = inLib.map((one) => one.file!).filter((one) => dirname(one) === dirname(file));
      expect(
        inLib.map((one) => one.file),
        `${file} imports lib/ by path`,
      ).toEqual(inItsFolder);
      expect(inItsFolder, `${file} is the spec of a file beside it`).toContain(own);
      const mixed = importsOf(file).some(({ specifier }) => specifier.startsWith('nestjs-session-stores'));
      expect(mixed, `${file} imports a file and the package: two copies of each class`).toBe(false);
    }
  });

  it('no file of lib/ imports the default of a module that has none without esModuleInterop', () => {
    const found = sources.flatMap((file) =>
      parse(file)
        .statements.filter(ts.isImportDeclaration)
        .filter(
          ({ importClause }) =>
            importClause?.name && importClause.phaseModifier !== ts.SyntaxKind.TypeKeyword,
        )
        .map(({ moduleSpecifier }) => `${file} imports ${(moduleSpecifier as ts.StringLiteral).text}`),
    );
    expect(found).toEqual([]);
  });

  it('no file of lib/ uses top-level await, because require() would reject the package', () => {
    for (const file of sources) {
      const waits = (node: ts.Node): boolean =>
        ts.isAwaitExpression(node) ||
        (ts.isForOfStatement(node) && node.awaitModifier !== undefined) ||
        (!ts.isFunctionLike(node) && (ts.forEachChild(node, (child) => waits(child) || undefined) ?? false));
      expect(waits(parse(file)), file).toBe(false);
    }
  });
});

describe('a store folder is complete', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    peerDependencies?: Record<string, string>;
    peerDependenciesMeta?: Record<string, { optional?: boolean }>;
  };

  it.each(stores)(
    '%s has its files, its row in the README, its subpath, its peer and its server',
    async (store) => {
      expect(Object.keys(DRIVERS), 'name its driver in this spec').toContain(store);
      const spec = store === 'express' ? [] : ['store.spec.ts'];
      for (const file of ['store.ts', 'index.ts', ...spec]) {
        expect(existsSync(join(root, 'lib/stores', store, file)), `lib/stores/${store}/${file}`).toBe(true);
      }
      expect(readme, 'a row of the README').toMatch(
        new RegExp(`^\\|.*nestjs-session-stores/stores/${store}\\b`, 'm'),
      );
      await expect(import(`nestjs-session-stores/stores/${store}`)).resolves.toBeDefined();

      const driver = DRIVERS[store];
      if (driver === undefined) return;
      expect(manifest.peerDependencies, 'a peer dependency').toHaveProperty(driver);
      expect(manifest.peerDependenciesMeta?.[driver]?.optional, 'an optional peer').toBe(true);
      expect(readFileSync(join(root, 'compose.yml'), 'utf8'), 'a compose service').toMatch(
        new RegExp(`^  ${store}:`, 'm'),
      );
    },
  );
});
