import { expect, test } from 'vitest';
import { LogBuffer } from './log-buffer.ts';
import { LogSearch } from './log-search.ts';

function setUp(query: string, maxLines = 1000): { buffer: LogBuffer; find: () => readonly number[] } {
  const buffer = new LogBuffer({ maxLines });
  const search = new LogSearch(query);
  return { buffer, find: () => search.update(buffer.lines, buffer.firstOpenIndex, buffer.dropped) };
}

test('finds lines whatever their case and colour', () => {
  const { buffer, find } = setUp('FAIL');
  buffer.append('ok\n\u001b[31mfa\u001b[1mil\n', false);
  expect(find()).toEqual([1]);
});

test('finds what comes later, also in a line that was open before', () => {
  const { buffer, find } = setUp('error');
  buffer.append('error 1\nan err', false);
  expect(find()).toEqual([0]);
  buffer.append('or\nok\nerror 3\n', false);
  expect(find()).toEqual([0, 1, 3]);
});

test('forgets a match that a carriage return has overwritten', () => {
  const { buffer, find } = setUp('10');
  buffer.append('10 %', false);
  expect(find()).toEqual([0]);
  buffer.append('\r20 %', false);
  expect(find()).toEqual([]);
});

test('counts anew when old lines are dropped', () => {
  const { buffer, find } = setUp('x5', 10);
  for (let i = 0; i < 9; i++) buffer.append(`x${i}\n`, false);
  expect(find()).toEqual([5]);
  for (let i = 9; i < 12; i++) buffer.append(`x${i}\n`, false);
  expect(buffer.dropped).toBeGreaterThan(0);
  expect(find()).toEqual([5 - buffer.dropped]);
});
