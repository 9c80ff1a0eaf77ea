import { expect, test } from 'vitest';
import { TopicLanes } from './topic-lanes.ts';

/** Jobs that end when they are told to. */
function createWork(options: { maxActive: number; maxJobs: number }) {
  const lanes = new TopicLanes(options);
  const running = new Map<string, () => void>();
  const add = (topic: string, name: string): void =>
    lanes.add(topic, () => new Promise((resolve) => running.set(name, resolve)));
  const finish = async (name: string): Promise<void> => {
    running.get(name)?.();
    running.delete(name);
    await new Promise(setImmediate);
  };
  return { lanes, add, finish, names: () => [...running.keys()] };
}

test('a topic’s jobs run in order, several topics’ side by side up to the bound, and each in its turn', async () => {
  const { add, finish, names } = createWork({ maxActive: 2, maxJobs: 10 });
  for (const name of ['a1', 'a2', 'b1', 'c1']) add(name[0] ?? '', name);
  expect(names()).toEqual(['a1', 'b1']);
  await finish('a1');
  expect(names()).toEqual(['b1', 'c1']);
  await finish('b1');
  expect(names()).toEqual(['c1', 'a2']);
});

test('there is room again when a job has ended, and all is settled when all have', async () => {
  const { lanes, add, finish } = createWork({ maxActive: 8, maxJobs: 2 });
  const told: string[] = [];
  add('a', 'a1');
  add('a', 'a2');
  void lanes.room().then(() => told.push('room'));
  void lanes.settled().then(() => told.push('settled'));
  await finish('a1');
  expect(told).toEqual(['room']);
  await finish('a2');
  expect(told).toEqual(['room', 'settled']);
});
