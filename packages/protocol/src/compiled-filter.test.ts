import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileFilter, type FilterSubject } from './compiled-filter.ts';
import { parseFilter } from './filter.ts';

type Input = Record<string, unknown>;

function subject(data: unknown, more: Partial<Omit<FilterSubject, 'data'>> = {}): FilterSubject {
  return { topic: 'task.7', event: 'task.progress', ...more, data: () => data };
}

const matches = (input: Input, of: FilterSubject): boolean => compileFilter(parseFilter(input)).matches(of);

describe('[FILT-1] compileFilter', () => {
  test.for<[input: Input, data: unknown, holds: boolean]>([
    [{}, null, true],
    [{ types: ['task.progress', 'x'] }, null, true],
    [{ types: ['x'] }, null, false],
    [{ event: 'task.progress', 'data.a': 1 }, { a: 1 }, true],
    [{ event: 'task.progress', 'data.a': 1 }, { a: 2 }, false],
    [{ topic: { prefix: 'task.' } }, null, true],
    [{ priority: 'normal' }, null, true],
    [{ sources: ['s'] }, null, false],
    [{ minAmount: 100 }, { amount: 100 }, true],
    [{ minAmount: 100 }, { amount: 99.9 }, false],
    [{ minAmount: 100 }, { amount: '500' }, false],
    [{ minAmount: 100 }, 'no object', false],
    [{ task_id: ['7', 8] }, { task_id: 8 }, true],
    [{ task_id: '7' }, { task_id: 7 }, false],
    [{ 'data.a.b.c': null }, { a: { b: { c: null } } }, true],
    [{ 'data.a.b.c': null }, { a: { b: {} } }, false],
    [{ 'data.list.1': 'b' }, { list: ['a', 'b'] }, true],
    [{ 'data.s': { gt: 'b', lte: 'd' } }, { s: 'd' }, true],
    [{ 'data.s': { gt: 'b' } }, { s: 'b' }, false],
    [{ 'data.n': { lt: 0 } }, { n: -1 }, true],
    [{ 'data.n': { lt: 0 } }, { n: 0 }, false],
    [{ 'data.n': { gte: 'a' } }, { n: 1 }, false],
    [{ 'data.x': { ne: 1 } }, {}, true],
    [{ 'data.x': { ne: 1 } }, { x: 1 }, false],
    [{ 'data.x': { exists: true } }, { x: null }, true],
    [{ 'data.x': { exists: false } }, { x: null }, false],
    [{ 'data.x': { exists: false } }, null, true],
    [{ 'data.s': { prefix: 'ab' } }, { s: 'abc' }, true],
    [{ 'data.s': { prefix: 'ab' } }, { s: 'xab' }, false],
    // Nothing inherited is a field.
    [{ 'data.constructor.name': { exists: true } }, {}, false],
    [{ 'data.length': { exists: true } }, 'text', false],
  ])('%j of data %j: %s', ([input, data, holds]) => {
    expect(matches(input, subject(data))).toBe(holds);
  });

  test('does not look into the data where the envelope decides', () => {
    const unread: FilterSubject = {
      topic: 't',
      event: 'e',
      data: () => {
        throw new Error('was read');
      },
    };
    expect(matches({ 'data.a': 1, event: 'other' }, unread)).toBe(false);
    expect(matches({ event: 'e', topic: 't' }, unread)).toBe(true);
  });

  test('has one id for filters that say the same', () => {
    const id = (input: Input): string => compileFilter(parseFilter(input)).id;
    expect(id({ types: ['a'] })).toBe(id({ event: 'a' }));
    expect(id({ types: ['a'] })).not.toBe(id({ types: ['b'] }));
  });

  test('answers for any data', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (data) => {
        for (const input of [{ minAmount: 1 }, { 'data.a.b': { ne: 1 } }, { 'data.a': { prefix: 'x' } }]) {
          expect(typeof matches(input, subject(data))).toBe('boolean');
        }
      }),
    );
  });
});
