import fc from 'fast-check';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { type PrometheusSample, PrometheusTextError, readPrometheusText } from './prometheus-text.ts';

const read = (text: string): PrometheusSample[] => [...readPrometheusText(text)];

test.each([
  ['', []],
  ['# HELP a b\n# TYPE a gauge\n\n   \n# EOF', []],
  ['a 1', [['a', [], 1]]],
  [
    'a 1\r\nb:c 2 1395066363000\n',
    [
      ['a', [], 1],
      ['b:c', [], 2],
    ],
  ],
  ['\ta{}  -1.5e+3', [['a', [], -1500]]],
  [
    'a{b="c",d="e",} .5',
    [
      [
        'a',
        [
          ['b', 'c'],
          ['d', 'e'],
        ],
        0.5,
      ],
    ],
  ],
  [
    'a { b = "c" , d="" } 1',
    [
      [
        'a',
        [
          ['b', 'c'],
          ['d', ''],
        ],
        1,
      ],
    ],
  ],
  [String.raw`a{path="C:\\x\"y\"\n\t}{="} 1`, [['a', [['path', 'C:\\x"y"\n\\t}{=']], 1]]],
  [
    'a NaN\nb +Inf\nc -Inf\nd +infinity',
    [
      ['a', [], Number.NaN],
      ['b', [], Infinity],
      ['c', [], -Infinity],
      ['d', [], Infinity],
    ],
  ],
  [
    'a_total 17 # {trace_id="x"} 0.5 123.4\nb 1 1520879607.789',
    [
      ['a_total', [], 17],
      ['b', [], 1],
    ],
  ],
] as [string, [string, [string, string][], number][]][])('%j has its samples', (text, samples) => {
  expect(read(text).map(({ name, labels, value }) => [name, labels, value])).toEqual(samples);
});

test.each([
  ['a', 'line 1 has no number'],
  ['a 1\n\n7 1', 'line 3 has no name'],
  ['a{ 1', 'line 1 has no label where one should be'],
  ['a{b} 1', 'line 1 has no value for a label'],
  ['a{b="c} 1', 'line 1 has no closed quotes around a label’s value'],
  ['a{b="c"', 'line 1 has no end of its labels'],
  ['a{b="c" d="e"} 1', 'line 1 has no end of its labels'],
  ['a 1 x', 'line 1 has no end after its number'],
  ['a one', 'line 1 has no number'],
  ['<html>', 'line 1 has no name'],
])('%j is refused: %s', (text, problem) => {
  expect(() => read(text)).toThrow(new PrometheusTextError(problem));
});

test('reads what a client library writes', async () => {
  const registers = [new Registry()];
  new Counter({ name: 'jobs_total', help: 'a "b" \\ c', labelNames: ['kind'], registers }).inc(
    { kind: 'x"\n\\y' },
    3,
  );
  new Gauge({ name: 'level', help: 'l', registers }).set(-0.25);
  new Histogram({ name: 'took', help: 't', buckets: [1, 2], registers }).observe(1.5);
  const samples = read((await registers[0]?.metrics()) ?? '');
  expect(samples).toEqual(
    expect.arrayContaining([
      { name: 'jobs_total', labels: [['kind', 'x"\n\\y']], value: 3 },
      { name: 'level', labels: [], value: -0.25 },
      { name: 'took_bucket', labels: [['le', '+Inf']], value: 1 },
      { name: 'took_sum', labels: [], value: 1.5 },
    ]),
  );
});

const name = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,8}$/);
const labels = fc.array(fc.tuple(name, fc.string({ unit: 'binary' })), { maxLength: 4 });
const escaped = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

test('reads back whatever is written', () => {
  const sample = fc.record({ name, labels, value: fc.double() });
  fc.assert(
    fc.property(fc.array(sample), (samples) => {
      const text = samples
        .map((each) => {
          const pairs = each.labels.map(([label, value]) => `${label}="${escaped(value)}"`).join(',');
          return `${each.name}{${pairs}} ${String(each.value).replace('Infinity', 'Inf')}\n`;
        })
        .join('');
      expect(read(text)).toEqual(
        samples.map((each) => ({ ...each, value: each.value === 0 ? expect.closeTo(0) : each.value })),
      );
    }),
  );
});
