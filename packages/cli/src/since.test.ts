import { expect, test } from 'vitest';
import { readSince } from './since.ts';

const now = Date.parse('2026-11-20T12:00:00Z');

test('a pattern begins at a count or a time as a topic does', () => {
  expect(readSince({ last: 10_000 }, ['task.*'], now)).toEqual({ last: 10_000 });
  expect(readSince({ since: '10m' }, ['*'], now)).toEqual({ time: '2026-11-20T11:50:00.000Z' });
});

test.for([
  [{}, undefined],
  [{ since: 'earliest' }, 'earliest'],
  [{ since: 'dk3f9-1:17' }, 'dk3f9-1:17'],
  [{ since: 'dk3f9.4dq' }, 'dk3f9.4dq'],
  [{ since: '10m' }, { time: '2026-11-20T11:50:00.000Z' }],
  [{ since: '2026-11-20T11:00:00+01:00' }, { time: '2026-11-20T10:00:00.000Z' }],
  [{ last: 5 }, { last: 5 }],
] as const)('%j begins at %j', ([options, since]) => {
  expect(readSince(options, ['task.a'], now)).toEqual(since);
});

test.for([
  [{ since: 'earliest', last: 1 }, ['task.a'], 'not both'],
  [{ last: 10_001 }, ['task.a', 'task.*'], '--last is at most 10000 for a pattern such as "task.*"'],
  [{ since: '2026-99-99' }, ['task.a'], 'is not a time'],
  [{ since: 'yesterday' }, ['task.a'], '--since "yesterday" cannot be read; write earliest'],
] as const)('%j for %j is refused: %s', ([options, topics, problem]) => {
  expect(() => readSince(options, topics, now)).toThrow(problem);
});
