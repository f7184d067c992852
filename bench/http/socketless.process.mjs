// One app of the bench without sockets, in a process of its own: `node socketless.process.mjs <framework> <sessions>`.
// Each message asks for a number of requests of a path, and gets their CPU time in µs.
import { apps } from './apps.mjs';
import { Client } from './request.mjs';

const CLIENTS = 32;

const [framework, sessions] = process.argv.slice(2);
const server = await apps[framework](sessions);
const clients = Array.from({ length: CLIENTS }, () => new Client(server));
for (const client of clients) await client.get('/login');

process.on('message', async ({ path, count }) => {
  const before = process.cpuUsage();
  for (let index = 0; index < count; index++) await clients[index % CLIENTS].get(path);
  const { user, system } = process.cpuUsage(before);
  process.send({ cpu: (user + system) / count });
});
process.on('disconnect', () => process.exit());
process.send('ready');
