import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/** A store's driver, by the store's word; stores without a backend have none. */
const DRIVERS: Record<string, string | undefined> = {
  cluster: undefined,
  mongo: 'mongoose',
  hazelcast: 'hazelcast-client',
  redis: 'ioredis',
};

const root = join(import.meta.dirname, '..');
const files = ['lib', 'sample-app', 'test', 'bench']
  .flatMap((folder) => filesUnder(folder))
  .filter((file) => /\.m?ts$|\.mjs$/.test(file));
const sources = files.filter((file) => file.startsWith('lib/') && !file.endsWith('.spec.ts'));
const stores = readdirSync(join(root, 'lib/stores'));

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

describe('who may import whom', () => {
  it.each(
    ['store', 'checks', 'errors', 'deadline', 'clock', 'opening'].map((part) => `lib/session.${part}.ts`),
  )('%s imports nothing', (file) => {
    expect(importsOf(file)).toEqual([]);
  });

  it('a store imports the contract, the errors, the deadline, the clock, what opens, its own folder and its own driver', () => {
    const shared = ['store', 'checks', 'record', 'errors', 'deadline', 'clock', 'opening'].map(
      (part) => `lib/session.${part}.ts`,
    );
    for (const store of stores) {
      for (const file of sources.filter((one) => one.startsWith(`lib/stores/${store}/`))) {
        for (const { specifier, file: imported } of importsOf(file)) {
          const allowed =
            imported === undefined
              ? specifier.startsWith('node:') || specifier === DRIVERS[store]
              : shared.includes(imported) || imported.startsWith(`lib/stores/${store}/`);
          expect(allowed, `${file} imports ${specifier}`).toBe(true);
        }
      }
    }
  });

  it('the laws import the types of the contract, their own folder and node:* only', () => {
    for (const file of sources.filter((one) => one.startsWith('lib/testing/'))) {
      for (const { specifier, file: imported, typeOnly } of importsOf(file)) {
        const allowed =
          imported === undefined
            ? specifier.startsWith('node:')
            : imported.startsWith('lib/testing/') || (imported === 'lib/session.store.ts' && typeOnly);
        expect(allowed, `${file} imports ${specifier}`).toBe(true);
      }
    }
  });

  it('session.* imports no store and no laws, but for the default store, loaded when it is needed', () => {
    const found: string[] = [];
    for (const file of sources.filter((one) => /^lib\/[^/]+$/.test(one))) {
      for (const { specifier, dynamic } of importsOf(file)) {
        if (/stores\/|testing\//.test(specifier))
          found.push(`${file} ${dynamic ? 'loads' : 'imports'} ${specifier}`);
      }
    }
    expect(found).toEqual(['lib/session.module.ts loads ./stores/cluster/index.js']);
  });

  it('the index loads no driver and nothing of sockets, and ./express loads neither a driver nor Nest', () => {
    const drivers = Object.values(DRIVERS).filter((driver) => driver !== undefined);
    for (const entry of ['lib/index.ts', 'lib/express.ts']) {
      const loaded = [...loadedBy(entry)];
      expect(loaded.filter((one) => drivers.includes(one) || one === '@nestjs/websockets')).toEqual([]);
      if (entry === 'lib/express.ts')
        expect(loaded.filter((one) => /^(@nestjs|rxjs|reflect)/.test(one))).toEqual([]);
    }
  });

  it('what is no part of lib/ imports the package by its name, and so do specs but for their own pure file', () => {
    for (const file of files.filter((one) => !sources.includes(one))) {
      // What the contract alone holds has no class that could stand twice.
      const inLib = importsOf(file).filter(
        (one) => one.file?.startsWith('lib/') && one.file !== 'lib/session.store.ts',
      );
      if (inLib.length === 0) continue;
      const own = file.replace('.spec.ts', '.ts');
      expect(
        inLib.map((one) => one.file),
        `${file} imports lib/ by path`,
      ).toEqual([own]);
      const mixed = importsOf(file).some(({ specifier }) => specifier.startsWith('nestjs-session-stores'));
      expect(mixed, `${file} imports a file and the package: two copies of each class`).toBe(false);
    }
  });

  it('no file of lib/ waits at its top level: require() would refuse the package', () => {
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
      for (const file of [`${store}.store.ts`, `${store}.store.spec.ts`, 'index.ts']) {
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
