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

const aspectOf = (observed: Observation[], aspect: Aspect): unknown[] => observed.map((one) => one[aspect]);

const observedOriginally = new Map<string, Promise<Observation[]>>();

/** What express-session itself does, observed once per behaviour. */
function originally(behaviour: Behaviour, pace: Pace, framework: Framework): Promise<Observation[]> {
  const name = `${framework} ${pace} ${behaviour.name}`;
  let observed = observedOriginally.get(name);
  if (!observed) {
    observed = observe(behaviour, original, observedStore(pace), framework);
    observedOriginally.set(name, observed);
  }
  return observed;
}

describe.each(frameworks)('session() in %s behaves like express-session', (framework) => {
  describe.each(PACES)('with a store of express-session, %s', (pace) => {
    it.concurrent.each(behaviours)('$name', async (behaviour) => {
      const observed = await observe(behaviour, session, observedStore(pace), framework);
      expect(observed).toEqual(await originally(behaviour, pace, framework));
    });
  });

  describe('with a store of ours', () => {
    it.concurrent.each(behaviours.filter(({ name }) => !NOT_OURS.has(name)))('$name', async (behaviour) => {
      const observed = await observe(behaviour, session, observedOurs(), framework);
      const theirs = await originally(behaviour, 'memory', framework);
      const differs = better.flatMap(({ where }) => where[behaviour.name] ?? []);
      for (const aspect of ASPECTS) {
        if (differs.includes(aspect)) {
          expect(
            aspectOf(observed, aspect),
            `${aspect} no longer differ: remove them from the list`,
          ).not.toEqual(aspectOf(theirs, aspect));
        } else if (aspect !== 'touches') {
          expect(aspectOf(observed, aspect), aspect).toEqual(aspectOf(theirs, aspect));
        }
      }
    });
  });
});
