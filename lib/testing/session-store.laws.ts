import { bothSurviveLaws } from './laws/both-survive.laws.js';
import { clearLaws } from './laws/clear.laws.js';
import { createLaws } from './laws/create.laws.js';
import { dataLaws } from './laws/data.laws.js';
import { deleteWinsLaws } from './laws/delete-wins.laws.js';
import { expiredLaws } from './laws/expired.laws.js';
import { expiryLaws } from './laws/expiry.laws.js';
import { groupLaws } from './laws/group.laws.js';
import { pageLaws } from './laws/page.laws.js';
import { refusedLaws } from './laws/refused.laws.js';
import { retireLaws } from './laws/retire.laws.js';
import { rotationLaws } from './laws/rotation.laws.js';
import { visibleLaws } from './laws/visible.laws.js';
import { wholeLaws } from './laws/whole.laws.js';
import type { SessionStoreLaw } from './session-store.law.js';

export type { SessionStoreLaw };

/** Every law a store must keep, in the order of their numbers. */
export const sessionStoreLaws: readonly SessionStoreLaw[] = [
  ...visibleLaws,
  ...createLaws,
  ...deleteWinsLaws,
  ...bothSurviveLaws,
  ...wholeLaws,
  ...expiredLaws,
  ...expiryLaws,
  ...rotationLaws,
  ...retireLaws,
  ...groupLaws,
  ...clearLaws,
  ...pageLaws,
  ...dataLaws,
  ...refusedLaws,
];
