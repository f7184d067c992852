import { join } from 'node:path';
import ts from 'typescript';
import { root } from './pages.js';

/** Code that is compiled as a module of its own. */
export interface Snippet {
  /** The page it is on. */
  name: string;
  code: string;
  /** The line of the page that the code starts on. */
  line: number;
}

const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (file) => ts.sys.readFile(file));
const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);

/** The files of libraries, parsed once for all programs. */
const parsed = new Map<string, ts.SourceFile | undefined>();

/** One program of many snippets, because a program for each would read and check the libraries as often. */
export class Compiled {
  readonly #snippets: readonly Snippet[];
  readonly #program: ts.Program;
  readonly #files: readonly ts.SourceFile[];

  constructor(snippets: readonly Snippet[]) {
    this.#snippets = snippets;
    // Under test/, so that packages and the package's own name are found from there.
    const codes = new Map(
      snippets.map(({ code }, index) => [join(root, 'test', `snippet-${index}.ts`), code] as const),
    );
    const host = ts.createCompilerHost(options);
    const { getSourceFile, fileExists } = host;
    host.fileExists = (file) => codes.has(file) || fileExists(file);
    host.getSourceFile = (file, languageVersion) => {
      const code = codes.get(file);
      if (code !== undefined) return ts.createSourceFile(file, `${code}\nexport {};`, languageVersion);
      if (!parsed.has(file)) parsed.set(file, getSourceFile(file, languageVersion));
      return parsed.get(file);
    };
    this.#program = ts.createProgram([...codes.keys()], options, host);
    this.#files = [...codes.keys()].map((file) => this.#program.getSourceFile(file)!);
  }

  /** What the compiler reports, each line with its place on a page. */
  problems(): string[] {
    const program = this.#program;
    const general = [...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics()];
    return [
      ...general.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
      ...this.#files.flatMap((file, index) => {
        const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
        return found.map((diagnostic) => textOf(diagnostic, this.#snippets[index]!));
      }),
    ];
  }

  /** The public names of a type that the last snippet exports, such as the options that an interface has. */
  namesOf(type: string): string[] {
    const checker = this.#program.getTypeChecker();
    const module = checker.getSymbolAtLocation(this.#files.at(-1)!)!;
    const symbol = checker.getExportsOfModule(module).find(({ name }) => name === type)!;
    const names = checker.getDeclaredTypeOfSymbol(symbol);
    const all = names.isUnion() ? names.types : [names];
    if (!all.every((one) => one.isStringLiteral())) throw new Error(`${type} is not a union of names`);
    return all.map(({ value }) => value).toSorted();
  }
}

/** TypeScript as an ES module that runs, with the decorator metadata that Nest needs. */
export function transpiled(code: string): string {
  const compilerOptions = { ...options, module: ts.ModuleKind.ESNext };
  return ts.transpileModule(code, { compilerOptions }).outputText;
}

/** What is wrong with the syntax of JavaScript. */
export function syntaxProblemsOf(snippet: Snippet): string[] {
  const { diagnostics = [] } = ts.transpileModule(snippet.code, {
    reportDiagnostics: true,
    fileName: 'snippet.js',
    compilerOptions: { allowJs: true, target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext },
  });
  return diagnostics.map((diagnostic) => textOf(diagnostic, snippet));
}

function textOf({ start = 0, file, messageText }: ts.Diagnostic, { name, line }: Snippet): string {
  const at = line + (file?.getLineAndCharacterOfPosition(start).line ?? 0);
  return `${name}:${at}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
}
