// A worker that prints what happens to its calls when the primary disconnects it.
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
