import expressSession from 'express-session';
import session from 'nestjs-session-stores/express';
import { afterAll, describe, expect, it } from 'vitest';
import { better, NOT_OURS } from './better.js';
import { behaviours } from './behaviours.js';
import { ASPECTS, observe, type Aspect, type Behaviour, type Observation } from './observe.js';
import { stopServers, type Framework } from './servers.js';
import { observedOurs, observedStore, PACES, type Pace } from './stores.js';

afterAll(stopServers);

const original = expressSession as typeof session;
const frameworks: Framework[] = ['Express', 'Nest'];

const aspectOf = (seen: Observation[], aspect: Aspect): unknown[] => seen.map((one) => one[aspect]);

const seenOriginally = new Map<string, Promise<Observation[]>>();

/** What express-session itself does, looked at once. */
function originally(behaviour: Behaviour, pace: Pace, framework: Framework): Promise<Observation[]> {
  const name = `${framework} ${pace} ${behaviour.name}`;
  let seen = seenOriginally.get(name);
  if (!seen) seenOriginally.set(name, (seen = observe(behaviour, original, observedStore(pace), framework)));
  return seen;
}

describe.each(frameworks)('in %s, like express-session itself', (framework) => {
  describe.each(PACES)('with its store, %s', (pace) => {
    it.concurrent.each(behaviours)('$name', async (behaviour) => {
      const seen = await observe(behaviour, session, observedStore(pace), framework);
      expect(seen).toEqual(await originally(behaviour, pace, framework));
    });
  });

  describe('with a store of ours', () => {
    it.concurrent.each(behaviours.filter(({ name }) => !NOT_OURS.has(name)))('$name', async (behaviour) => {
      const seen = await observe(behaviour, session, observedOurs(), framework);
      const theirs = await originally(behaviour, 'memory', framework);
      const differs = better.flatMap(({ where }) => where[behaviour.name] ?? []);
      for (const aspect of ASPECTS) {
        if (differs.includes(aspect)) {
          expect(aspectOf(seen, aspect), `${aspect} differ no more: take them off the list`).not.toEqual(
            aspectOf(theirs, aspect),
          );
        } else if (aspect !== 'touches') {
          expect(aspectOf(seen, aspect), aspect).toEqual(aspectOf(theirs, aspect));
        }
      }
    });
  });
});
