import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { sessionStoreLaws } from 'nestjs-session-stores/laws';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code!);

it('every ts block of the README type-checks', () => {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (file) => ts.sys.readFile(file));
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  // Under test/, so that packages and the package's own name are found from there.
  const sources = new Map(blocks.map((code, index) => [join(root, 'test', `readme-${index}.ts`), code]));
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (file) => sources.has(file) || fileExists(file);
  host.getSourceFile = (file, ...rest) => {
    const code = sources.get(file);
    return code === undefined
      ? getSourceFile(file, ...rest)
      : ts.createSourceFile(file, `${code}\nexport {};`, rest[0]);
  };
  const program = ts.createProgram([...sources.keys()], options, host);
  const problems = ts
    .getPreEmitDiagnostics(program)
    .map(
      ({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    );
  expect(blocks.length).toBeGreaterThan(0);
  expect(problems).toEqual([]);
}, 60_000);

it('the README states the right number of laws', () => {
  expect(readme).toContain(`the ${sessionStoreLaws.length} laws`);
});

it('the README has fewer than 200 lines', () => {
  expect(readme.split('\n').length).toBeLessThan(200);
});
