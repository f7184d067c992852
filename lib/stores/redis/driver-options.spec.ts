import { expect, describe, it } from 'vitest';
import {
  clusterOptions,
  duplicateClusterOptions,
  duplicateOptions,
  pauseBefore,
  serverOptions,
} from './driver-options.js';

describe('the pause before an attempt to connect', () => {
  it.each([
    [1, 25, 50],
    [2, 50, 100],
    [4, 200, 400],
    [5, 250, 500],
    [100_000, 250, 500],
  ])('for attempt %d is from %d to %d ms', (attempt, least, most) => {
    for (let time = 0; time < 100; time++) {
      expect(pauseBefore(attempt)).toBeGreaterThanOrEqual(least);
      expect(pauseBefore(attempt)).toBeLessThanOrEqual(most);
    }
  });
});

describe("ioredis' options", () => {
  const theirs = {
    host: 'h',
    retryStrategy: () => null,
    stringNumbers: true,
    commandTimeout: 5,
    socketTimeout: 9,
  };

  it('of an app that are written for the store are kept where no guarantee needs another', () => {
    const options = serverOptions(1000, theirs);
    expect(options).toMatchObject({ host: 'h', retryStrategy: theirs.retryStrategy, socketTimeout: 9 });
    expect(options).toMatchObject({ stringNumbers: false, commandTimeout: undefined, connectTimeout: 1000 });
  });

  it('of a given client are replaced on its duplicate by timeouts and pauses of the store', () => {
    const options = duplicateOptions(1000, theirs);
    expect(options).toMatchObject({ retryStrategy: pauseBefore, sentinelRetryStrategy: pauseBefore });
    expect(options).toMatchObject({
      socketTimeout: 1000,
      sentinelCommandTimeout: 1000,
      stringNumbers: false,
    });
  });

  it('of a Cluster limit the pause before it is connected again, and keep the options of its nodes', () => {
    const redisOptions = { password: 'p', stringNumbers: true };
    for (const options of [
      clusterOptions(1000, { redisOptions }),
      duplicateClusterOptions(1000, { redisOptions, clusterRetryStrategy: () => 5000 }),
    ]) {
      expect(options.clusterRetryStrategy).toBe(pauseBefore);
      expect(options.redisOptions).toMatchObject({
        password: 'p',
        stringNumbers: false,
        socketTimeout: 1000,
      });
    }
  });

  it('let a server that has become a replica be left, beside the errors that the app names', () => {
    const { reconnectOnError } = serverOptions(1000, {
      reconnectOnError: ({ message }) => (message === 'x' ? 2 : 0) as 2,
    });
    const leaves = (message: string) => reconnectOnError?.(new Error(message));
    expect({ replica: leaves('READONLY You'), named: leaves('x'), other: leaves('OOM') }).toEqual({
      replica: true,
      named: true,
      other: false,
    });
  });
});
