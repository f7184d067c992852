import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { root } from './docs/pages.js';

interface Entry {
  /** As it is imported, such as `./express`. */
  subpath: string;
  /** The file that it is compiled from. */
  file: string;
}

it('every exported name of every entry point has a doc comment', () => {
  const entries = entryPoints();
  expect(entries.map(({ subpath }) => subpath)).toContain('.');
  const exported = exportsOf(entries);
  for (const { subpath } of entries)
    expect(
      exported.filter((one) => one.subpath === subpath),
      `${subpath}: no exports were found`,
    ).not.toEqual([]);
  // What express-session exports is documented there.
  expect(
    exported
      .filter(({ comment }) => comment === undefined)
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual(['Cookie', 'CookieOptions', 'MemoryStore', 'Session', 'SessionData', 'Store']);
  expect(
    exported.filter(({ comment }) => comment === '').map(({ subpath, name }) => `${subpath}: ${name}`),
  ).toEqual([]);
});

/** The entry points in `exports` of package.json, a pattern once for each folder that it matches. */
function entryPoints(): Entry[] {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string>;
  };
  return Object.entries(exports).flatMap(([subpath, built]) => {
    if (!built.endsWith('.js')) return [];
    const file = join(root, built.replace('/dist/', '/').replace(/\.js$/, '.ts'));
    const [folder, rest] = file.split('*') as [string, string?];
    if (rest === undefined) return [{ subpath, file }];
    return readdirSync(folder)
      .filter((name) => ts.sys.fileExists(folder + name + rest))
      .map((name) => ({ subpath: subpath.replace('*', name), file: folder + name + rest }));
  });
}

/**
 * What the entry points export. Only the files that they export from are read, which makes this fast.
 * `comment` is `undefined` for a name of another package.
 */
function exportsOf(entries: Entry[]): { subpath: string; name: string; comment: string | undefined }[] {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    noLib: true,
    types: [],
  };
  const host = ts.createCompilerHost(options, true);
  host.resolveModuleNameLiterals = (literals, from) =>
    literals.map(({ text, parent }) => ({
      resolvedModule:
        text.startsWith('.') && (ts.isExportDeclaration(parent) || exportsImports(parent.getSourceFile()))
          ? {
              resolvedFileName: join(from, '..', text.replace(/\.js$/, '.ts')),
              extension: ts.Extension.Ts,
              isExternalLibraryImport: false,
            }
          : undefined,
    }));
  const program = ts.createProgram(
    entries.map(({ file }) => file),
    options,
    host,
  );
  const checker = program.getTypeChecker();
  return entries.flatMap(({ subpath, file }) =>
    checker
      .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)!)!)
      .map((symbol) => ({ name: symbol.name, target: targetOf(checker, symbol) }))
      .map(({ name, target }) => ({
        subpath,
        name,
        comment: target.declarations && ts.displayPartsToString(target.getDocumentationComment(checker)),
      })),
  );
}

/** Whether a file has an export list of its own, which may contain what it imports. */
function exportsImports({ statements }: ts.SourceFile): boolean {
  return statements.some((one) => ts.isExportDeclaration(one) && one.moduleSpecifier === undefined);
}

/** The symbol that is exported, under whatever name. */
function targetOf(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}
