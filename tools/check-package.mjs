// Builds and packs the package, and checks that every entry point of the tarball resolves, with its types, in every
// module system: by publint and by are-the-types-wrong.
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { pack } from './pack.mjs';

const folder = await mkdtemp(join(tmpdir(), 'session-pack-'));
try {
  const tarball = await readFile(await pack(folder));
  const problems = [...(await publintProblems(tarball)), ...(await typeProblems(tarball))];
  for (const problem of problems) console.error(problem);
  console.log(`The package has ${problems.length} problems in its entry points and files.`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true });
}

/** @param {Buffer} tarball */
async function publintProblems(tarball) {
  const { buffer, byteOffset, byteLength } = tarball;
  const { messages, pkg } = await publint({
    pack: { tarball: buffer.slice(byteOffset, byteOffset + byteLength) },
    strict: true,
  });
  return messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false })}`);
}

/** @param {Buffer} tarball */
async function typeProblems(tarball) {
  // A pattern in exports names no entry points.
  const stores = await readdir(fileURLToPath(new URL('../lib/stores', import.meta.url)));
  const includeEntrypoints = stores.filter((one) => one !== 'shared').map((one) => `./stores/${one}`);
  const result = await checkPackage(createPackageFromTarballData(tarball), { includeEntrypoints });
  if (!result.types) return ['are-the-types-wrong: the package has no types'];
  const expected = includeEntrypoints.filter((one) => !(one in result.entrypoints));
  return [
    ...expected.map((one) => `are-the-types-wrong: ${one} was not checked`),
    ...result.problems
      // Node 20.19 and newer load ES modules in CommonJS; the package has no second build.
      .filter(({ kind }) => kind !== 'CJSResolvesToESM')
      .map((problem) => `are-the-types-wrong: ${JSON.stringify(problem)}`),
  ];
}
