import { wrongInAdopting } from './wrong/adopt.stores.js';
import { wrongInData, wrongInRefusals } from './wrong/data.stores.js';
import { wrongInExpiry } from './wrong/expiry.stores.js';
import { wrongInFeeds } from './wrong/feed.stores.js';
import { wrongInGroups } from './wrong/group.stores.js';
import { wrongInLife } from './wrong/life.stores.js';
import { wrongInLimits } from './wrong/limit.stores.js';
import { wrongInPages } from './wrong/page.stores.js';
import { wrongInParallel } from './wrong/parallel.stores.js';
import { wrongInRegeneration } from './wrong/regenerate.stores.js';
import { wrongInRotation } from './wrong/rotation.stores.js';
import { wrongInUse } from './wrong/use.stores.js';
import { wrongInValues } from './wrong/value.stores.js';
import type { WrongStore } from './wrong/wrong.store.js';

/** Every way to be wrong that a law must notice. */
export const wrongStores: readonly WrongStore[] = [
  ...wrongInLife,
  ...wrongInAdopting,
  ...wrongInRegeneration,
  ...wrongInParallel,
  ...wrongInValues,
  ...wrongInExpiry,
  ...wrongInRotation,
  ...wrongInUse,
  ...wrongInGroups,
  ...wrongInLimits,
  ...wrongInPages,
  ...wrongInData,
  ...wrongInRefusals,
  ...wrongInFeeds,
];
