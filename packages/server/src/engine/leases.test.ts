import { ManualClock } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { LeaseTable } from './leases.ts';

test('a sweep lets expired leases go and keeps the others', () => {
  const clock = new ManualClock();
  const table = new LeaseTable(clock);
  table.acquire('acme', 'short', 'me', 1000);
  table.acquire('acme', 'long', 'me', 9000, { exclusive: true });
  clock.advance(1000);
  table.sweep();
  expect(table.holders('acme', 'short')).toEqual([]);
  expect(table.acquire('acme', 'long', 'you', 1000)).toMatchObject({
    acquired: false,
    holder: { owner: 'me' },
  });
  clock.advance(8000);
  table.sweep();
  expect(table.acquire('acme', 'long', 'you', 1000)).toMatchObject({ acquired: true });
});

test('the only holder of a shared lease can make it exclusive, and keeps its token', () => {
  const table = new LeaseTable(new ManualClock());
  const shared = table.acquire('acme', 'l', 'me', 1000);
  const exclusive = table.acquire('acme', 'l', 'me', 1000, { exclusive: true });
  expect(exclusive).toEqual(shared);
  expect(table.acquire('acme', 'l', 'you', 1000)).toMatchObject({ acquired: false });
});
