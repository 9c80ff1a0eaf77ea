import { deepStrictEqual, ok } from 'node:assert/strict';

export type FamilyType = 'counter' | 'gauge' | 'histogram';

/** A metric with all its samples, in Prometheus' text format 0.0.4. */
export interface Family {
  readonly name: string;
  readonly type: FamilyType;
  readonly help: string;
  /** By what stands before the value: `name` or `name{label="value"}`. */
  readonly samples: ReadonlyMap<string, number>;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\"n])*"';
const SAMPLE = new RegExp(`^((${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})?) (\\S+)$`);
const NUMBER = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|NaN|[+-]?Inf)$/;

/**
 * Reads what `/metrics` answered, strictly: every family has its help and type before its samples, and all of them
 * together; nothing comes twice; counters are called `_total` and do not go below zero; the buckets of a histogram add up.
 * Throws an `AssertionError` that names the line or family.
 */
export function parseExposition(text: string): Map<string, Family> {
  ok(text.endsWith('\n'), 'the last line has no end');
  const families = new Map<string, Family & { samples: Map<string, number> }>();
  let help: [name: string, text: string] | undefined;
  let current: (Family & { samples: Map<string, number> }) | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue;
    const [, helped, helpText] = new RegExp(`^# HELP (${NAME}) (.+)$`).exec(line) ?? [];
    if (helped !== undefined) {
      help = [helped, helpText as string];
      continue;
    }
    const [, name, type] = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`).exec(line) ?? [];
    if (name !== undefined) {
      ok(help?.[0] === name, `${name} has no help right before its type`);
      ok(!families.has(name), `${name} comes twice`);
      current = { name, type: type as FamilyType, help: help[1], samples: new Map() };
      families.set(name, current);
      continue;
    }
    ok(current !== undefined, `a sample before any type: ${line}`);
    addSample(current, line);
  }
  for (const family of families.values()) check(family);
  return families;
}

function addSample({ name, type, samples }: Family & { samples: Map<string, number> }, line: string): void {
  const [, key, sample, , value = ''] = SAMPLE.exec(line) ?? [];
  ok(key !== undefined && NUMBER.test(value), `no sample: ${line}`);
  const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
  ok(
    suffixes.some((suffix) => sample === name + suffix),
    `no sample of ${name}: ${line}`,
  );
  ok(!samples.has(key), `comes twice: ${line}`);
  samples.set(key, Number(value.replace('Inf', 'Infinity')));
}

function check({ name, type, samples }: Family): void {
  if (type === 'counter') {
    ok(name.endsWith('_total'), `the counter ${name} is not called so`);
    for (const [key, value] of samples) ok(value >= 0 && Number.isFinite(value), `${key} is ${value}`);
  }
  if (type === 'histogram') checkHistogram(name, samples);
}

function checkHistogram(name: string, samples: ReadonlyMap<string, number>): void {
  const buckets = [...samples].flatMap(([key, value]) => {
    const bound = /_bucket\{le="([^"]+)"\}$/.exec(key)?.[1];
    return bound === undefined ? [] : [[Number(bound.replace('Inf', 'Infinity')), value] as const];
  });
  const ascending = (values: readonly number[]): readonly number[] => [...values].sort((a, b) => a - b);
  const bounds = buckets.map(([bound]) => bound);
  const counts = buckets.map(([, count]) => count);
  deepStrictEqual(bounds, ascending(bounds), `the bounds of ${name} do not ascend`);
  deepStrictEqual(counts, ascending(counts), `the buckets of ${name} do not add up`);
  ok(bounds.at(-1) === Number.POSITIVE_INFINITY, `${name} has no bucket for everything`);
  ok(counts.at(-1) === samples.get(`${name}_count`), `${name} counts otherwise than its last bucket`);
  ok(samples.has(`${name}_sum`), `${name} has no sum`);
}
