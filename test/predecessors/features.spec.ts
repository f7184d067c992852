import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../docs/pages.js';
import { features, packages, titlesIn } from './features.js';

/** What the packages offer, as their READMEs and sources say. */
const OFFERED: Record<string, string[]> = {
  'hazelcast-store': [
    'client',
    'setClient',
    'mapName',
    'prefix',
    'ttl',
    'disableTTL',
    'debugPrefix',
    'logErrors',
    'maps',
    'bean',
    'getFromMap',
    'all',
    'destroy',
    'clear',
    'length',
    'get',
    'set',
    'touch',
  ],
  'strong-cluster-express-store': [
    'setup',
    'ClusterStore.setup',
    'new ClusterStore',
    'expireKeys',
    'get',
    'set',
    'destroy',
  ],
  'em-session-manager': [
    'setIdentityManager',
    'setPersistenStorage',
    'cacheMaxAge',
    'cacheLimit',
    'cookie',
    'path',
    'secure',
    'httpOnly',
    'host',
    'ttl',
    'session.get',
    'session.set',
    'session.remove',
    'session.renew',
    'session.destroy',
    'get',
    'set',
    'update',
    'remove',
    'delete',
  ],
  'mongoose-express-session-store': ['uri', 'collection', 'ttl', 'clear', 'length', 'destroy', 'get', 'set'],
  'multi-process-session': [
    "type: 'cookie'",
    "type: 'token'",
    'expire',
    'refresh: true',
    'refresh: false',
    'secret',
    'redisOptions',
    'req.session',
    'res.session',
    'session.set',
    'session.get',
    'session.del',
    'session.clear',
    'session.setGroupName',
    'session.clearGroupByName',
  ],
};

describe('the table of features', () => {
  it('has a section for each replaced package', () => {
    expect(packages).toEqual(Object.keys(OFFERED));
  });

  it.each(Object.entries(OFFERED))('has a row for everything that %s offers', (name, offered) => {
    const rows = features.filter((row) => row.package === name).map(({ feature }) => feature);
    const missing = offered.filter((one) => !rows.some((row) => names(row).includes(one)));
    expect(missing).toEqual([]);
    expect(rows).toContain('README example');
  });

  it.each(features.map((row) => [row.package, row.feature, row] as const))(
    'links %s, %s, to one test of exactly that name',
    (_package, _feature, { test, file }) => {
      const found = titlesIn(file).filter(({ own, full }) => own === test || full === test);
      expect(found).toHaveLength(1);
    },
  );

  it('links every test of test/predecessors', () => {
    const folder = 'test/predecessors';
    const files = readdirSync(join(root, folder)).filter((file) => file.endsWith('.spec.ts'));
    const others = files.filter((file) => file !== 'features.spec.ts').map((file) => `${folder}/${file}`);
    const linked = new Set(features.map(({ file, test }) => `${file}: ${test}`));
    const tests = others.flatMap((file) => titlesIn(file).map(({ own }) => `${file}: ${own}`));
    expect(others.map((file) => file.slice(`${folder}/`.length, -'.spec.ts'.length)).toSorted()).toEqual(
      Object.keys(OFFERED).toSorted(),
    );
    expect(tests.filter((test) => !linked.has(test))).toEqual([]);
  });
});

/** The code in a cell, without arguments: `ttl` and `session.get`, for `session.get(key)`. */
function names(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!.replace(/\(.*$/, ''));
}
