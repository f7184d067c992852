import { examine } from 'nestjs-session-stores/doctor';
import session from 'nestjs-session-stores/express';
import { sessionStoreLaws } from 'nestjs-session-stores/laws';
import { SessionStoreDecorator } from 'nestjs-session-stores/store';
import { loginAs } from 'nestjs-session-stores/testing';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { store } from './app.module.js';

// Values, so that each subpath is loaded, and types, so that each is checked.
const names: string[] = sessionStoreLaws.map(({ name }) => name);
class Cache extends SessionStoreDecorator {}
const cache = new Cache(store);
const handler: (...args: never[]) => void = session({ secret: 'a secret', store });
const memory: session.Store = new session.MemoryStore();
const kept = fromExpressStore(memory);
const findings = examine({ store });
console.log(
  JSON.stringify([
    names.length > 0,
    cache instanceof Cache,
    typeof handler,
    typeof kept.read,
    typeof loginAs,
    typeof findings,
  ]),
);
