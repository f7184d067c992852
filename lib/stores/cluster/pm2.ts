/**
 * How PM2 runs this process in its cluster mode: as the only instance of the app, or as one that may have others.
 * `undefined` if it does not. There the primary is PM2's own daemon, which serves no sessions.
 *
 * PM2 copies the app's settings into the environment. `instances` stays 1 when `pm2 scale` adds a second instance, whose
 * number is then 1. The number is in the variable that `instance_var` names. (Seen with PM2 7.0.4.)
 */
export function pm2Instance(env: NodeJS.ProcessEnv): 'only' | 'one of several' | undefined {
  if (env['pm_id'] === undefined || env['exec_mode'] !== 'cluster_mode') return undefined;
  const number = env[env['instance_var'] ?? 'NODE_APP_INSTANCE'];
  return env['instances'] === '1' && number === '0' ? 'only' : 'one of several';
}
