// Another process that starts a Redis: see starter.ts.
import { startRedis } from './redis.mjs';

try {
  const { url, pid, origin } = await startRedis();
  process.send({ url, pid, origin });
  process.channel.ref();
} catch (error) {
  process.send({ error: error.message });
}
