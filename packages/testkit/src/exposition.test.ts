import { describe, expect, test } from 'vitest';
import { parseExposition } from './exposition.ts';

const HISTOGRAM = [
  '# HELP h Sizes.',
  '# TYPE h histogram',
  'h_bucket{le="1"} 1',
  'h_bucket{le="+Inf"} 3',
  'h_sum 9.5',
  'h_count 3',
];
const COUNTER = [
  '# HELP c_total Things.',
  '# TYPE c_total counter',
  'c_total{kind="a\\"b"} 2',
  'c_total 1e3',
];
const text = (...lines: string[]): string => `${lines.join('\n')}\n`;

describe('the checker of the exposition format', () => {
  test('reads families with their samples', () => {
    const families = parseExposition(text(...COUNTER, '', ...HISTOGRAM));
    expect(families.get('c_total')).toMatchObject({ type: 'counter', help: 'Things.' });
    expect([...(families.get('c_total')?.samples ?? [])]).toEqual([
      ['c_total{kind="a\\"b"}', 2],
      ['c_total', 1000],
    ]);
    expect(families.get('h')?.samples.get('h_sum')).toBe(9.5);
  });

  test.for<[problem: string, lines: string]>([
    ['a missing end', COUNTER.join('\n')],
    ['a type without help', text(...COUNTER.slice(1))],
    ['a sample without a type', text('x 1')],
    ['a sample of another family', text(...COUNTER, 'd_total 1')],
    ['a sample that comes twice', text(...COUNTER, 'c_total 2')],
    ['a family that comes twice', text(...COUNTER, ...HISTOGRAM, ...COUNTER)],
    ['a value that is none', text(...COUNTER, 'c_total{a="b"} many')],
    ['a label that is not quoted', text(...COUNTER, 'c_total{a=b} 1')],
    ['a counter below zero', text(...COUNTER, 'c_total{a="b"} -1')],
    ['a counter that is not called so', text('# HELP c Things.', '# TYPE c counter', 'c 1')],
    ['buckets that do not add up', text(...HISTOGRAM).replace('le="1"} 1', 'le="1"} 4')],
    ['a count that is not the last bucket’s', text(...HISTOGRAM).replace('h_count 3', 'h_count 2')],
    ['a histogram without a sum', text(...HISTOGRAM).replace('h_sum 9.5\n', '')],
    ['a histogram without the last bucket', text(...HISTOGRAM).replace('h_bucket{le="+Inf"} 3\n', '')],
  ])('refuses %s', ([, lines]) => {
    expect(() => parseExposition(lines)).toThrow();
  });
});
