import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MillraceError } from './codes.ts';
import { type Filter, MAX_FILTER_CONDITIONS, parseFilter } from './filter.ts';

type Input = Record<string, unknown>;

describe('parseFilter', () => {
  test.for<[input: Input, filter: Filter]>([
    [{}, []],
    [{ types: ['a', 'b'] }, [{ path: ['event'], test: { op: 'in', values: ['a', 'b'] } }]],
    [{ event_type: 'a' }, [{ path: ['event'], test: { op: 'in', values: ['a'] } }]],
    [{ sources: ['s'] }, [{ path: ['source'], test: { op: 'in', values: ['s'] } }]],
    [{ minAmount: 5 }, [{ path: ['data', 'amount'], test: { op: 'gte', value: 5 } }]],
    [{ task_id: '7' }, [{ path: ['data', 'task_id'], test: { op: 'in', values: ['7'] } }]],
    [{ status: ['x', null] }, [{ path: ['data', 'status'], test: { op: 'in', values: ['x', null] } }]],
    [{ 'data.a.b': true }, [{ path: ['data', 'a', 'b'], test: { op: 'in', values: [true] } }]],
    [{ key: { eq: 1 } }, [{ path: ['key'], test: { op: 'in', values: [1] } }]],
    [{ key: { ne: null } }, [{ path: ['key'], test: { op: 'ne', value: null } }]],
    [{ topic: { in: ['a', 2] } }, [{ path: ['topic'], test: { op: 'in', values: ['a', 2] } }]],
    [{ event: { prefix: 'task.' } }, [{ path: ['event'], test: { op: 'prefix', value: 'task.' } }]],
    [{ 'data.x': { exists: false } }, [{ path: ['data', 'x'], test: { op: 'exists', value: false } }]],
    [
      { 'data.n': { gt: 1, lte: 'z' } },
      [
        { path: ['data', 'n'], test: { op: 'gt', value: 1 } },
        { path: ['data', 'n'], test: { op: 'lte', value: 'z' } },
      ],
    ],
  ])('reads %j', ([input, filter]) => {
    expect(parseFilter(input)).toEqual(filter);
  });

  test.for<[input: Input, problem: string]>([
    [{ types: [] }, '"types" must be'],
    [{ types: [{}] }, '"types" must be'],
    [{ minAmount: '5' }, '"minAmount" must be a number'],
    [{ minAmount: Number.NaN }, '"minAmount" must be a number'],
    [{ data: 1 }, '"data" is not a field of an event'],
    [{ amount: 1 }, '"amount" is not a field of an event'],
    [{ 'event.a': 1 }, '"event.a" is not a field of an event'],
    [{ 'data.': 1 }, '"data." is not a field path'],
    [{ 'data.__proto__.a': 1 }, 'is not a field path'],
    [{ 'data.1.2.3.4.5.6.7.8': 1 }, 'is deeper than 8 fields'],
    [{ event: {} }, '"event" has no operator'],
    [{ event: { regex: '.*' } }, 'has the unknown operator "regex"'],
    [{ event: { eq: ['a'] } }, 'eq takes one value'],
    [{ event: { ne: {} } }, 'ne takes one value'],
    [{ event: { gt: true } }, 'gt takes a number or a string'],
    [{ event: { lt: Number.POSITIVE_INFINITY } }, 'lt takes a number or a string'],
    [{ event: { exists: 1 } }, 'exists takes true or false'],
    [{ event: { prefix: 1 } }, 'prefix takes a string'],
    [{ event: { in: [] } }, '"event" must be'],
    [{ event: undefined }, '"event" must be'],
  ])('[MSG-1] refuses %j', ([input, problem]) => {
    expect(() => parseFilter(input)).toThrow(problem);
  });

  test('[MSG-1] names the path of what is wrong', () => {
    expect(() => parseFilter({ 'data.a': { regex: 'x' } })).toThrow(
      expect.objectContaining({ code: 'bad-message', details: { path: '/filter/data.a' } }),
    );
  });

  test('at most 16 KB, whatever is listed', () => {
    const listed = (length: number) => ({ 'data.id': ['x'.repeat(length)] });
    expect(parseFilter(listed(16_000))).toHaveLength(1);
    expect(() => parseFilter(listed(16_400))).toThrow('longer than 16384 characters');
  });

  test('at most 16 conditions, however they are spelled', () => {
    const fields = (count: number): Input =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`data.f${i}`, { gte: 0, lt: 9 }]));
    expect(parseFilter(fields(MAX_FILTER_CONDITIONS / 2))).toHaveLength(MAX_FILTER_CONDITIONS);
    expect(() => parseFilter(fields(MAX_FILTER_CONDITIONS / 2 + 1))).toThrow('more than 16 conditions');
  });

  test('any object is read or refused with bad-message', () => {
    const name = fc.oneof(fc.constantFrom('event', 'types', 'minAmount', 'data.a', 'status'), fc.string());
    const operator = fc.constantFrom('eq', 'ne', 'in', 'gt', 'exists', 'prefix', 'constructor', '');
    const operand = fc.oneof(fc.jsonValue(), fc.dictionary(operator, fc.jsonValue()));
    fc.assert(
      fc.property(fc.dictionary(name, operand, { maxKeys: 4 }), (input) => {
        try {
          parseFilter(input);
        } catch (error) {
          expect(error).toBeInstanceOf(MillraceError);
          expect(error).toMatchObject({ code: 'bad-message' });
        }
      }),
      { numRuns: 2000 },
    );
  });
});
