import { readFile } from 'node:fs/promises';

/** A YAML file that was read, or why it could not be. */
type Read = { file: string; content: unknown } | { file: string; problem: string; remedy: string };

/** Reads a YAML file. The parser is loaded only here, because few users need it. */
export async function readYaml(file: string): Promise<Read> {
  const failed = (problem: string, remedy: string): Read => ({ file, problem, remedy });
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return failed(`${file} could not be read (${code}).`, 'Check the path, and the rights on the file.');
  }
  let yaml: typeof import('yaml');
  try {
    yaml = await import('yaml');
  } catch {
    return failed(
      `${file} was not read, because the package yaml is not installed.`,
      'Run npm install yaml.',
    );
  }
  try {
    return { file, content: yaml.parse(text, { logLevel: 'error' }) as unknown };
  } catch (error) {
    const { linePos, code } = error as InstanceType<typeof yaml.YAMLParseError>;
    const line = linePos ? `, line ${linePos[0].line}` : '';
    // Its message would show the line, which may have a password.
    return failed(`${file} is not valid YAML (${code ?? 'error'}${line}).`, 'Correct the file.');
  }
}
