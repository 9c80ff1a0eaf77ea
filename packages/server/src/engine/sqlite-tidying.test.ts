import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ManualClock, until } from '@millrace/testkit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemTurns } from '../clock.ts';
import type { Engine, Retention } from './engine.ts';
import { CommitWriter } from './sqlite-commit-writer.ts';
import { createSqliteEngine } from './sqlite-engine.ts';
import { dataFileIn, prepareDataFile } from './sqlite-file.ts';
import type { Writes } from './sqlite-statements.ts';

let directory: string;
let engine: Engine | undefined;
let clock: ManualClock;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-tidying-'));
  clock = new ManualClock();
});
afterEach(async () => {
  await engine?.close();
  engine = undefined;
  await rm(directory, { recursive: true, force: true });
});

async function open(retention: (topic: string) => Retention = () => ({})): Promise<Engine> {
  engine = await createSqliteEngine({
    directory,
    clock,
    turns: systemTurns,
    retention,
    forgetAfterMs: 1000,
    onError: (error) => {
      throw error;
    },
  });
  return engine;
}

/** Looks into the file beside the engine. */
function count(table: string): number {
  const database = new DatabaseSync(dataFileIn(directory), { readOnly: true });
  try {
    return Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
  } finally {
    database.close();
  }
}

async function publish(topics: readonly string[], rounds: number): Promise<void> {
  const requests = Array.from({ length: rounds }, (_, n) =>
    topics.map((topic) => ({ entity: 'acme', topic, event: 'step', data: String(n) })),
  );
  await engine?.append(requests.flat());
}

test('retention takes the rows out of the file, those of topics that are kept stay', async () => {
  await open((topic) => (topic === 'task.keep' ? {} : { maxEvents: 10 }));
  await publish(['task.a', 'task.keep', 'task.b'], 3000);
  clock.advance(1000);
  await until(() => count('events') === 3020, 'the rows to be gone');
  const kept = await engine?.readSince('acme', ['*'], 'earliest', { maxEvents: 10_000 });
  expect(kept?.ok && kept.events.length).toBe(3020);
});

test('the newest are found however many are asked for, and while more come', async () => {
  const log = await open();
  await publish(['task.a', 'task.b', 'other.c'], 9000);
  const read = async (last: number) => {
    const page = await log.readSince('acme', ['task.*'], { last }, { maxEvents: 1 });
    return page.ok ? [page.events[0]?.data, page.events.length + page.behind] : page.reason;
  };
  expect(await read(17_998)).toEqual(['1', 17_998]);
  expect(await read(12_345)).toEqual(['2827', 12_345]);
  expect(await read(18_000)).toEqual(['0', 18_000]);
  const [asked] = await Promise.all([read(15_000), publish(['task.a'], 10)]);
  expect([15_000, 15_010]).toContain(asked?.[1]);
});

test('sparse rows among many that are kept are found', async () => {
  await open((topic) => (topic === 'task.rare' ? { maxEvents: 1 } : {}));
  for (let n = 0; n < 5; n++) {
    await publish(['task.keep'], 2000);
    await publish(['task.rare'], 2);
  }
  clock.advance(1000);
  await until(() => count('events') === 10_001, 'the rows to be gone');
});

test('deleting takes every row, and goes on after a restart', async () => {
  await open();
  await publish(['task.a', 'task.b'], 5000);
  await engine?.append([
    { entity: 'acme', topic: 'task.a', event: 'e', data: '1', fence: { name: 'lock', token: 1 } },
  ]);
  await engine?.delete('acme', 'task.a');
  await engine?.close();
  await open();
  await until(() => count('events') === 5000, 'the rows to be gone');
  expect([count('topics'), count('fences'), count('tombstones')]).toEqual([1, 0, 1]);
});

test('topics that come and go leave nothing but bounded traces', async () => {
  await open(() => ({ maxAgeMs: 500 }));
  for (let n = 0; n < 20; n++)
    await publish(
      Array.from({ length: 50 }, (_, i) => `answer.${n}-${i}`),
      2,
    );
  for (let i = 0; i < 3; i++) {
    clock.advance(1000);
    await until(
      async () => (await engine?.topics('acme', '*'))?.every((topic) => topic.firstOffset > 2) ?? false,
    );
  }
  await until(async () => (await engine?.topics('acme', '*'))?.length === 0, 'all to be forgotten');
  await until(() => count('events') + count('topics') === 0, 'the rows to be gone');
  expect(count('tombstones')).toBe(1000);
});

test('a seq is never given out again, even when nothing is left of the events', async () => {
  await open();
  const request = { entity: 'acme', topic: 'task.a', event: 'e', data: '1' };
  const [first] = (await engine?.append([request])) ?? [];
  await engine?.delete('acme', 'task.a');
  await engine?.close();
  await open();
  const [second] = (await engine?.append([request])) ?? [];
  if (first?.status !== 'stored' || second?.status !== 'stored') throw new Error('not stored');
  expect(second.seq).toBeGreaterThan(first.seq + 1);
  expect(second.position.epoch).not.toBe(first.position.epoch);
});

test('keys beyond the window leave the file; younger ones, and a full window, stay', () => {
  const path = dataFileIn(directory);
  prepareDataFile(path, { epoch: 'e' });
  const writer = new CommitWriter({
    path,
    synchronous: 'full',
    maxBytes: 0,
    keyWindow: { keys: 100, ms: 60_000 },
    sweeps: [],
  });
  let seq = 0;
  let number = 0;
  const addKeys = (topic: number, rows: number, now: number) => {
    const key: NonNullable<Writes['key']> = [];
    for (let n = 0; n < rows; n++) key.push(++seq, topic, n, now, `id${seq}`, `key${seq}`);
    expect(
      writer.commit({ type: 'commit', number: ++number, generation: 0, now, writes: { key }, sweeps: [] }),
    ).toEqual({ type: 'committed' });
  };
  const tidyUp = () => {
    for (let steps = 0; !writer.tidy; steps++) {
      if (steps > 1000) throw new Error('tidying does not end');
      writer.tidyUp();
    }
  };
  try {
    addKeys(1, 100 + 5000, 1000);
    addKeys(2, 50, 1000);
    tidyUp();
    expect(count('keys')).toBe(100 + 5050);
    const later = 1000 + 60_001;
    addKeys(1, 100, later);
    tidyUp();
    expect(count('keys WHERE topic = 1')).toBe(100);
    expect(count('keys WHERE topic = 2')).toBe(50);
    expect(count(`keys WHERE timestamp = ${later}`)).toBe(100);
  } finally {
    writer.close();
  }
});
