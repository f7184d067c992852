import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import * as entry from 'nestjs-session-stores';
import { sessionStoreLaws } from 'nestjs-session-stores/laws';
import { DOCUMENTED, NAMES } from './docs/documented.js';
import { Compiled, syntaxProblemsOf, transpiled, type Snippet } from './docs/compiler.js';
import { pageNamed, pages, root, type Section } from './docs/pages.js';
import { Browser } from './http/browser.js';

const readme = pageNamed('README.md');

function blocksIn(language: string): Snippet[] {
  return pages.flatMap(({ path, blocks }) =>
    blocks
      .filter((block) => block.language === language)
      .map(({ code, line }) => ({ name: path, code, line })),
  );
}

const blocks = blocksIn('ts');
const declaresData = ({ code }: Snippet): boolean => code.includes("declare module 'nestjs-session-stores'");

/** Compiled when a spec first asks for them. */
const compiled: { declaring?: Compiled; others?: Compiled } = {};

function declaring(): Compiled {
  return (compiled.declaring ??= new Compiled(blocks.filter(declaresData)));
}

/** The blocks that must not depend on the session data that others declare, and the names of the code. */
function others(): Compiled {
  return (compiled.others ??= new Compiled([
    ...blocks.filter((block) => !declaresData(block)),
    { name: 'test/docs/documented.ts', code: NAMES, line: 1 },
  ]));
}

describe('every block of', () => {
  it('TypeScript compiles as a separate module', () => {
    expect(blocks.length).toBeGreaterThan(0);
    expect([...others().problems(), ...declaring().problems()]).toEqual([]);
  }, 120_000);

  it('JavaScript is valid syntax', () => {
    expect(blocksIn('js').flatMap(syntaxProblemsOf)).toEqual([]);
  });

  it('JSON is valid', () => {
    for (const { name, code, line } of blocksIn('json'))
      expect(() => JSON.parse(code) as unknown, `${name}:${line}`).not.toThrow();
  });
});

describe('links', () => {
  it.each(pages.map(({ path }) => path))('of %s lead to files and headings that exist', (path) => {
    const dead = pageNamed(path).links.filter(
      (link) => !/^[a-z]+:/.test(link) && !leadsSomewhere(path, link),
    );
    expect(dead).toEqual([]);
  });

  it('lead to every page of docs/', () => {
    const linked = new Set(
      pages.flatMap(({ path, links }) => links.map((link) => targetOf(path, link).file)),
    );
    expect(pages.map(({ path }) => path).filter((path) => !linked.has(path))).toEqual(['README.md']);
  });
});

it('docs/README.md, which the sidebar of the site is made of, lists every other page of docs/ once, and the index alone of the benchmarks', () => {
  const listed = [...pageNamed('docs/README.md').text.matchAll(/^- \[.+\]\((.+)\)$/gm)].map(
    ([, link]) => `docs/${link}`,
  );
  const expected = pages
    .map(({ path }) => path)
    .filter((path) => /^docs\/(?!README|benchmarks\/(?!index))/.test(path));
  expect(listed.toSorted()).toEqual(expected.toSorted());
});

function targetOf(path: string, link: string): { file: string; anchor: string | undefined } {
  const [to, anchor] = link.split('#', 2) as [string, string?];
  return { file: to === '' ? path : normalize(join(dirname(path), to)), anchor };
}

function leadsSomewhere(path: string, link: string): boolean {
  const { file, anchor } = targetOf(path, link);
  if (anchor === undefined) return existsSync(join(root, file));
  return pages.some((page) => page.path === file && page.sections.some((one) => one.anchor === anchor));
}

describe('the README', () => {
  const { text } = readme;

  it('has at most 120 lines, 900 words and 160 characters per line', () => {
    const lines = text.trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(120);
    expect(text.trim().split(/\s+/).length).toBeLessThanOrEqual(900);
    expect(lines.filter((line) => line.length > 160)).toEqual([]);
  });

  it('states the right number of laws', () => {
    expect(text).toContain(`the ${sessionStoreLaws.length} laws`);
  });

  it('has an example that runs: login, request and logout', async () => {
    const { code } = readme.blocks.find(({ language }) => language === 'ts')!;
    // In dist/, which is built anew, and from where the package's own name is found.
    const file = join(root, 'dist', 'readme.example.js');
    writeFileSync(file, transpiled(code));
    vi.stubEnv('SESSION_SECRET', 'readme');
    vi.stubEnv('REDIS_URL', new URL('/3', inject('redis').url).href);
    const { AppModule } = (await import(pathToFileURL(file).href)) as { AppModule: Type };
    const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
    onTestFinished(async () => {
      await app.close();
      vi.unstubAllEnvs();
    });
    await app.listen(0, '127.0.0.1');
    const browser = new Browser(await app.getUrl());

    expect((await browser.post('/login', { user: 'ada' })).json()).toEqual({ user: 'ada' });
    expect((await browser.get('/me')).json()).toEqual({ user: 'ada' });
    expect((await browser.post('/logout')).status).toBe(204);
    expect((await browser.get('/me')).status).toBe(401);
  });
});

/** The sections about one name of the code each: `### \`name\`` or `### \`name()\``. */
function namedSections(page: string, title?: string): Map<string, Section[]> {
  const { sections } = pageNamed(`docs/${page}`);
  const from = title === undefined ? 0 : sections.findIndex((one) => one.title === title) + 1;
  if (title !== undefined && from === 0) throw new Error(`docs/${page} has no section ${title}`);
  const end = title === undefined ? -1 : sections.findIndex((one, at) => at >= from && one.level <= 2);
  const named = new Map<string, Section[]>();
  for (const section of sections.slice(from, end === -1 ? undefined : end)) {
    const [, name] = /^`([\w-]+)(?:\(.*\))?`$/.exec(section.title) ?? [];
    if (section.level === 3 && name !== undefined) named.set(name, [...(named.get(name) ?? []), section]);
  }
  return named;
}

describe('the documentation has one heading for each name of', () => {
  it.each(DOCUMENTED)(
    '$type in $page, with its type, default or example below it',
    ({ page, title, name, has }) => {
      const named = namedSections(page, title);
      const headings = [...named].flatMap(([heading, sections]) => sections.map(() => heading));
      expect(headings.toSorted()).toEqual(others().namesOf(name));
      for (const [heading, sections] of named)
        for (const part of has) expect(sections[0]!.text, `${page}: ${heading}`).toMatch(part);
    },
    120_000,
  );

  it('the error classes in reference/errors.md, with status, cause and remedy', () => {
    const classes = Object.keys(entry).filter((name) => name.endsWith('Error'));
    const named = namedSections('reference/errors.md');
    expect([...named.keys()].toSorted()).toEqual(classes.toSorted());
    for (const [name, [section]] of named) {
      for (const part of [/^- Status: \d{3}$/m, /^- When: \S/m, /^- To do: \S/m])
        expect(section!.text, name).toMatch(part);
      const [, status] = /^- Status: (\d{3})$/m.exec(section!.text)!;
      const errorClass = entry[name as 'SessionGoneError'] as unknown as new (...args: string[]) => {
        status: number;
      };
      expect(new errorClass('store', 'operation', 'problem').status, name).toBe(Number(status));
    }
  });
});

it('every store has a page with the same sections', () => {
  const stores = readdirSync(join(root, 'lib/stores')).filter((folder) => folder !== 'shared');
  for (const store of stores) {
    const page = pageNamed(`docs/stores/${store === 'express' ? 'express-session' : store}.md`);
    const titles = page.sections.map(({ title }) => title);
    for (const title of [
      'Options',
      'Credentials and TLS',
      'Outages',
      'What is stored',
      'What a restart loses',
    ])
      expect(titles, store).toContain(title);
    expect(page.blocks[0]?.code, `${store}: what to install`).toMatch(/^npm install nestjs-session-stores/);
    expect(
      page.blocks.some(({ code }) => code.includes(`nestjs-session-stores/stores/${store}`)),
      `${store}: an example`,
    ).toBe(true);
  }
});
