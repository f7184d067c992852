// A process with a cached store: `node reader.process.mjs <store> <options>`. It answers `{ read: id }` and `{ cached: id }`.
import { CachedStore } from 'nestjs-session-stores/store';
import { openStore } from '../stores/open.store.mjs';

const [word, options] = process.argv.slice(2);
const store = new CachedStore(await openStore(word, options));
await store.open();

process.on('message', async ({ read, cached }) => {
  const record = read === undefined ? store.cached(cached) : await store.read(read);
  process.send({ a: record?.data.a });
});
process.on('disconnect', () => process.exit());
process.send({ isOpen: true });
