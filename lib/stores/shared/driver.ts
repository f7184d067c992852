import { SessionStoreError } from '../../contract/errors.js';

/**
 * Loads a store's driver when the store first connects, so that a driver which is not installed is an error that says
 * what to install.
 */
export async function loadDriver<Driver>(
  store: string,
  packageName: string,
  load: () => Promise<Driver>,
): Promise<Driver> {
  try {
    return await load();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const isMissing = code?.endsWith('MODULE_NOT_FOUND') === true && message.includes(`'${packageName}'`);
    if (!isMissing) throw cause;
    const problem = `the package ${packageName} is not installed. Run npm install ${packageName}`;
    throw new SessionStoreError(store, 'open', problem, { cause });
  }
}
