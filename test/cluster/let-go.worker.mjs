// A worker that says on its standard output what becomes of its calls when the primary lets it go.
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';

const store = new ClusterStore({ timeout: 60_000 });
await store.open();
const report = (call) => (error) =>
  console.log(JSON.stringify({ call, name: error.name, message: error.message }));
process.on('message', () => {
  store.read('k').catch(report('pending'));
  setImmediate(() => process.send({ asked: true }));
});
process.on('disconnect', () => store.read('k').catch(report('new')));
process.send({ ready: true });
