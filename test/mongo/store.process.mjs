// A store in a separate process, whose methods the parent process calls.
import { MongoStore } from 'nestjs-session-stores/stores/mongo';

const store = new MongoStore(JSON.parse(process.argv[2]));
await store.open();
process.send('open');
process.on('message', async ({ call, method, args }) => {
  try {
    process.send({ call, value: await store[method](...args) });
  } catch (error) {
    process.send({ call, error: `${error.stack}` });
  }
});
