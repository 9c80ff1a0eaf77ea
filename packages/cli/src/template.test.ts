import { expect, test } from 'vitest';
import { fillTemplate } from './template.ts';

test('fills its placeholders inside and outside of strings, each time', () => {
  const text = '{"n": {{i}}, "name": "job-{{i}}", "at": "{{now}}", "value": {{random}}}';
  expect(JSON.parse(fillTemplate(text, { i: 7, now: '2026-11-20T12:00:00.000Z', random: 0.5 }))).toEqual({
    n: 7,
    name: 'job-7',
    at: '2026-11-20T12:00:00.000Z',
    value: 0.5,
  });
});

test('leaves other braces alone', () => {
  expect(fillTemplate('{"a":"{{name}} {{ i }}"}', { i: 1, now: '', random: 0 })).toBe(
    '{"a":"{{name}} {{ i }}"}',
  );
});
