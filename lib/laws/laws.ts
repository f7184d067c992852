import { adoptLaws } from './adopt.js';
import { bothSurviveLaws } from './both-survive.js';
import { clearLaws } from './clear.js';
import { clockLaws } from './clock.js';
import { createLaws } from './create.js';
import { dataLaws } from './data.js';
import { deleteWinsLaws } from './delete-wins.js';
import { expiredLaws } from './expired.js';
import { expiryLaws } from './expiry.js';
import { feedLaws } from './feed.js';
import { groupLaws } from './group.js';
import { limitLaws } from './limit.js';
import { pageLaws } from './page.js';
import { parallelLaws } from './parallel.js';
import { regenerateLaws } from './regenerate.js';
import { rejectedLaws } from './rejected.js';
import { retirePreviousLaws } from './retire-previous.js';
import { rotationLaws } from './rotation.js';
import { touchLaws } from './touch.js';
import { unseenRotationLaws } from './unseen-rotation.js';
import { useLaws } from './use.js';
import { valueTextLaws } from './value-texts.js';
import { valueLaws } from './values.js';
import { visibleLaws } from './visible.js';
import { wholeLaws } from './whole.js';
import type { SessionStoreLaw } from './law.js';

export type { SessionStoreLaw };

/** All laws that a store must keep, in the order of their numbers. */
export const sessionStoreLaws: readonly SessionStoreLaw[] = [
  ...visibleLaws,
  ...createLaws,
  ...adoptLaws,
  ...deleteWinsLaws,
  ...regenerateLaws,
  ...bothSurviveLaws,
  ...parallelLaws,
  ...valueLaws,
  ...wholeLaws,
  ...expiredLaws,
  ...expiryLaws,
  ...touchLaws,
  ...clockLaws,
  ...rotationLaws,
  ...unseenRotationLaws,
  ...retirePreviousLaws,
  ...useLaws,
  ...groupLaws,
  ...clearLaws,
  ...limitLaws,
  ...pageLaws,
  ...dataLaws,
  ...valueTextLaws,
  ...rejectedLaws,
  ...feedLaws,
];
