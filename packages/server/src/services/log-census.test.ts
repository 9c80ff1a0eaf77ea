import { ManualClock } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { createMemoryEngine } from '../engine/memory-engine.ts';
import { LogCensus } from './log-census.ts';

function setUp() {
  const clock = new ManualClock();
  const turns = {
    count: 0,
    soon(task: () => void) {
      turns.count++;
      setImmediate(task);
    },
  };
  const engine = createMemoryEngine({
    clock,
    turns,
    retention: () => ({ maxEvents: 3 }),
    onError: () => {},
  });
  const append = (entity: string, topic: string, times = 1) =>
    engine.append(Array.from({ length: times }, () => ({ entity, topic, event: 'x', data: '12345' })));
  return { clock, turns, engine, append, census: new LogCensus({ engine, clock, turns }) };
}

test('counts topics and the events that are kept, of each entity and of all', async () => {
  const { append, census } = setUp();
  await append('a', 'one', 2);
  await append('a', 'two', 5);
  await append('b', 'one');
  expect(await census.of('a')).toEqual({ topics: 2, events: 5, bytes: 25 });
  expect(await census.of('b')).toEqual({ topics: 1, events: 1, bytes: 5 });
  expect(await census.of('nobody')).toEqual({ topics: 0, events: 0, bytes: 0 });
  expect(await census.total()).toEqual({ topics: 3, events: 6, bytes: 30 });
});

test('counts once for all who ask at a time, and again some seconds later', async () => {
  const { append, census, clock, turns } = setUp();
  await append('a', 'one');
  await Promise.all([census.total(), census.of('a'), census.total()]);
  expect(turns.count).toBe(1);
  await append('a', 'one');
  clock.advance(4900);
  expect((await census.total()).events).toBe(1);
  clock.advance(200);
  expect((await census.total()).events).toBe(2);
});

test('lets the event loop turn between pages of topics', async () => {
  const { append, census, turns } = setUp();
  for (let i = 0; i < 2500; i++) await append('a', `topic.${i}`);
  expect(await census.total()).toMatchObject({ topics: 2500, events: 2500 });
  expect(turns.count).toBe(3);
});

test('counts anew after it could not', async () => {
  const { append, census, engine } = setUp();
  await append('a', 'one');
  await engine.close();
  await expect(census.total()).rejects.toThrow('closed');
  await expect(census.total()).rejects.toThrow('closed');
});
