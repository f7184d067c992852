import cluster from 'node:cluster';

const { start } = await (cluster.isPrimary
  ? import('./processes/primary.js')
  : import('./processes/worker.js'));

try {
  await start();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
