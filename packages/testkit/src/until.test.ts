import { expect, test } from 'vitest';
import { until, within } from './until.ts';

test('goes on as soon as the condition holds', async () => {
  let looks = 0;
  await until(() => ++looks === 3);
  await until(async () => ++looks === 5);
  expect(looks).toBe(5);
});

test('says what it waited for in vain', async () => {
  await expect(until(() => false, 'snow in July', 5)).rejects.toThrow('waited 5 ms in vain for snow in July');
  await expect(within(new Promise(() => {}), 'an answer', 5)).rejects.toThrow('5 ms in vain for an answer');
});

test('hands on what a promise gives or throws in time', async () => {
  expect(await within(Promise.resolve(7), 'seven')).toBe(7);
  await expect(within(Promise.reject(new Error('no')), 'seven')).rejects.toThrow('no');
});
