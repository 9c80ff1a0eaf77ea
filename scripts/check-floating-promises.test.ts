import { expect, test } from 'vitest';
import { floatingPromises } from './check-floating-promises.ts';
import { markedLines, placesOf } from './marked-lines.ts';

const fixture = 'scripts/fixtures/floating-promises';

test('finds promises nobody waits for, also those that come from another package', () => {
  const violations = `${fixture}/violations.ts`;
  expect(placesOf(floatingPromises([violations])).sort()).toEqual(markedLines(violations).sort());
});

test('accepts code without them', () => {
  expect(floatingPromises([`${fixture}/log.ts`])).toEqual([]);
});
