import { expect, it } from 'vitest';
import { durationText } from './durations.js';

it.each([
  [86_400_000, '24 hours'],
  [2_592_000_000, '30 days'],
  [3_600_000, '1 hour'],
  [1_800_000, '30 minutes'],
  [90_000, '90 seconds'],
  [1500, '1500 milliseconds'],
])('%i milliseconds are %s', (milliseconds, text) => {
  expect(durationText(milliseconds)).toBe(text);
});
