import { describe, expect, it } from 'vitest';
import { pm2Instance } from './pm2.js';

/** What PM2 7.0.4 sets for an app in cluster mode. */
const started = {
  pm_id: '3',
  exec_mode: 'cluster_mode',
  instances: '1',
  instance_var: 'NODE_APP_INSTANCE',
  NODE_APP_INSTANCE: '0',
};

describe('an instance of PM2', () => {
  it.each([
    ['no PM2', {}, undefined],
    ["PM2's fork mode", { ...started, exec_mode: 'fork_mode' }, undefined],
    ['an app that has an exec_mode of its own', { exec_mode: 'cluster_mode' }, undefined],
    ['a single instance', started, 'only'],
    [
      'a single instance with its own name for the number',
      { ...started, instance_var: 'INSTANCE', NODE_APP_INSTANCE: undefined, INSTANCE: '0' },
      'only',
    ],
    ['the first of two instances', { ...started, instances: '2' }, 'one of several'],
    ['an instance that `pm2 scale` added', { ...started, NODE_APP_INSTANCE: '1' }, 'one of several'],
    ['an instance whose number is not known', { ...started, NODE_APP_INSTANCE: undefined }, 'one of several'],
  ])('with %s', (_, env, instance) => {
    expect(pm2Instance(env)).toBe(instance);
  });
});
