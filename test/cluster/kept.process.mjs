// A process that opens a store with the options of its first argument, and says on its IPC channel whether it could.
// Then it performs calls of the store that it is sent, each as [method, ...args].
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';

// Instead of ending the process, a write beyond the limit of a file's size fails.
process.on('SIGXFSZ', () => {});

const store = new ClusterStore(JSON.parse(process.argv[2]));
process.on('message', async ([method, ...args]) => {
  try {
    process.send({ value: await store[method](...args) });
  } catch (error) {
    process.send({ error: error.message });
  }
});
try {
  await store.open();
  process.send({ isOpen: true });
} catch (error) {
  process.send({ error: error.message });
  process.disconnect();
}
