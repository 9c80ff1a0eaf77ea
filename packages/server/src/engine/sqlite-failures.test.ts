import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock, until, within } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemTurns } from '../clock.ts';
import type { AppendResult, Engine, StoredEvent } from './engine.ts';
import type { WriterLink } from './sqlite-committer.ts';
import { createSqliteEngine, type SqliteEngineOptions } from './sqlite-engine.ts';

let directory: string;
let engine: Engine | undefined;
let errors: unknown[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-failures-'));
  errors = [];
});
afterEach(async () => {
  await engine?.close();
  await rm(directory, { recursive: true, force: true });
});

async function open(options: Partial<SqliteEngineOptions> = {}): Promise<Engine> {
  await engine?.close();
  engine = await createSqliteEngine({
    directory,
    clock: systemClock,
    turns: systemTurns,
    retention: () => ({}),
    onError: (error) => errors.push(error),
    ...options,
  });
  return engine;
}

const ALL = { maxEvents: 1_000_000 };
const KILOBYTE = JSON.stringify('x'.repeat(998));

function publish(to: Engine, topic: string, count = 1, data = KILOBYTE): Promise<readonly AppendResult[]> {
  return to.append(Array.from({ length: count }, () => ({ entity: 'acme', topic, event: 'step', data })));
}

async function follow(log: Engine): Promise<StoredEvent[]> {
  const seen: StoredEvent[] = [];
  await log.follow('acme', '*', {
    onEvents: (events) => void seen.push(...events),
    onGap: () => {
      throw new Error('a gap');
    },
  });
  return seen;
}

/** Publishes until nothing more fits; answers with how many did. */
async function fill(log: Engine, topic: string): Promise<number> {
  let stored = 0;
  for (let size = 50; size > 0; ) {
    const results = await publish(log, topic, size);
    if (results[0]?.status === 'stored') {
      stored += size;
    } else {
      for (const result of results) expect(result).toMatchObject({ status: 'failed', code: 'storage-full' });
      size = Math.floor(size / 2);
    }
  }
  return stored;
}

describe('a full disk', () => {
  test('refuses appends, keeps and delivers exactly what it took, and goes on once there is room', async () => {
    const log = await open({ maxFileBytes: 1_000_000 });
    const seen = await follow(log);
    const taken = await fill(log, 'task.a');
    expect(taken).toBeGreaterThan(100);
    expect(await publish(log, 'task.b', 1, KILOBYTE.repeat(20))).toMatchObject([{ code: 'storage-full' }]);
    expect(await log.head('acme', 'task.b')).toBeUndefined();
    expect((await log.head('acme', 'task.a'))?.position.offset).toBe(taken);

    expect(await log.delete('acme', 'task.a')).toBe(true);
    await until(async () => (await publish(log, 'task.b'))[0]?.status === 'stored', 'room for an event');
    await until(() => seen.length === taken + 1, 'the delivery of everything');
    expect(seen.map((event) => event.offset)).toEqual([...Array.from({ length: taken }, (_, n) => n + 1), 1]);
  });

  test('is emptied by retention', async () => {
    const clock = new ManualClock();
    const log = await open({ clock, maxFileBytes: 1_000_000, retention: () => ({ maxEvents: 100 }) });
    const taken = await fill(log, 'task.a');
    clock.advance(1000);
    await until(async () => (await publish(log, 'task.a'))[0]?.status === 'stored', 'room for an event');
    expect((await log.head('acme', 'task.a'))?.position.offset).toBe(taken + 1);
  });

  test('leaves a log that opens again with more room', async () => {
    const taken = await fill(await open({ maxFileBytes: 1_000_000 }), 'task.a');
    const log = await open();
    expect(await publish(log, 'task.a')).toMatchObject([
      { status: 'stored', position: { offset: taken + 1 } },
    ]);
  });
});

/** A file system of our own can be filled; mounting one takes root. Elsewhere `maxFileBytes` stands for it, above. */
const mountsDisks = process.platform === 'linux' && process.getuid?.() === 0 && canMount();

function canMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), 'millrace-mount-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe]).status === 0;
  if (mounted) spawnSync('umount', [probe]);
  rmSync(probe, { recursive: true });
  return mounted;
}

test.skipIf(!mountsDisks)(
  'a disk that is really full refuses appends, until there is room again',
  async () => {
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', directory]);
    try {
      const ballast = join(directory, 'ballast');
      writeFileSync(ballast, Buffer.alloc(2_000_000));
      const log = await open();
      const seen = await follow(log);
      const taken = await fill(log, 'task.a');
      expect(taken).toBeGreaterThan(100);
      rmSync(ballast);
      expect(await publish(log, 'task.a', 50)).toMatchObject(Array(50).fill({ status: 'stored' }));
      await until(() => seen.length === taken + 50, 'the delivery of everything');
      const reopened = await open();
      expect((await reopened.head('acme', 'task.a'))?.position.offset).toBe(taken + 50);
      await reopened.close();
    } finally {
      spawnSync('umount', [directory]);
    }
  },
);

describe('a writer thread that dies', () => {
  /** Lets a test kill the writer, or keep new ones from starting. */
  class Writers {
    current: WriterLink | undefined;
    broken = false;
    readonly wrap = (writer: WriterLink): WriterLink => {
      this.current = writer;
      return {
        request: (request) =>
          this.broken ? Promise.reject(new Error('the disk is gone')) : writer.request(request),
        terminate: () => writer.terminate(),
      };
    };
  }

  test('leaves no doubt in the log: what it stored is there and delivered, the rest is not', async () => {
    const writers = new Writers();
    const log = await open({ wrapWriter: writers.wrap });
    const seen = await follow(log);
    for (let round = 0; round < 5; round++) {
      const attempts = Array.from({ length: 40 }, (_, n) => publish(log, `task.${n % 3}`, 25, `"${round}"`));
      await publish(log, 'task.first', 1, `"${round}"`);
      await writers.current?.terminate();
      const results = (await Promise.all(attempts)).flat();
      const statuses = new Set(results.map((result) => result.status));
      expect([...statuses].filter((status) => status !== 'stored' && status !== 'unknown')).toEqual([]);
      await until(
        async () => (await publish(log, 'task.last', 1, `"${round}"`))[0]?.status === 'stored',
        'the next writer',
      );
    }
    await until(() => seen.at(-1)?.topic === 'task.last' && seen.at(-1)?.data === '"4"', 'the last delivery');
    const kept = await log.readSince('acme', ['*'], 'earliest', ALL);
    if (!kept.ok) throw new Error(kept.reason);
    expect(seen.map((event) => event.id)).toEqual(kept.events.map((event) => event.id));
    expect(errors.length).toBeGreaterThan(0);
    const heads = await log.topics('acme', '*');
    const reopened = await open();
    expect(await reopened.topics('acme', '*')).toEqual(heads);
    expect(await reopened.readSince('acme', ['*'], 'earliest', ALL)).toEqual(kept);
  });

  // Each commit under way began a recovery of its own: two writers, and the second undid what the first had stored.
  test('with two commits under way is replaced by one', async () => {
    let started = 0;
    let underWay = 0;
    let current: WriterLink | undefined;
    const log = await open({
      wrapWriter: (writer) => {
        started++;
        current = writer;
        return {
          request: (request) => {
            if (request.type === 'commit') underWay++;
            return writer.request(request).finally(() => {
              if (request.type === 'commit') underWay--;
            });
          },
          terminate: () => writer.terminate(),
        };
      },
    });
    let attempts: Promise<readonly AppendResult[]>[] = [];
    for (let rounds = 1; rounds <= 10; rounds++) {
      while (underWay < 2) {
        attempts.push(publish(log, 'task.a', 500, '1'));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await current?.terminate();
      await until(async () => (await publish(log, 'task.b'))[0]?.status === 'stored', 'the next writer');
      for (const attempt of attempts) await within(attempt, 'every outcome');
      attempts = [];
      expect(started).toBe(1 + rounds);
    }
    const heads = await log.topics('acme', '*');
    expect(await (await open()).topics('acme', '*')).toEqual(heads);
  });

  test('and cannot be replaced makes appends fail at once; the engine keeps trying', async () => {
    const writers = new Writers();
    const clock = new ManualClock();
    const log = await open({ wrapWriter: writers.wrap, clock });
    await publish(log, 'task.a');
    writers.broken = true;
    expect(await publish(log, 'task.a')).toMatchObject([{ status: 'unknown' }]);
    await until(() => errors.length >= 2, 'the attempt to fail');
    expect(await publish(log, 'task.a')).toMatchObject([{ status: 'failed', code: 'unavailable' }]);
    const kept = await log.read('acme', 'task.a', { earliest: true }, ALL);
    expect(kept).toMatchObject({ ok: true, behind: 0, position: { offset: 1 } });
    writers.broken = false;
    clock.advance(1000);
    await until(async () => (await publish(log, 'task.a'))[0]?.status === 'stored', 'the writer to be back');
    expect((await log.head('acme', 'task.a'))?.position.offset).toBe(2);
  });
});

test('closing commits what was asked for before, and refuses what comes after', async () => {
  const log = await open();
  const before = publish(log, 'task.a', 10);
  const closed = log.close();
  expect(await publish(log, 'task.a')).toMatchObject([{ status: 'failed', code: 'unavailable' }]);
  expect((await before).every((result) => result.status === 'stored')).toBe(true);
  await closed;
  await expect(log.read('acme', 'task.a', { earliest: true }, ALL)).rejects.toMatchObject({
    code: 'unavailable',
  });
  const reopened = await open();
  expect((await reopened.head('acme', 'task.a'))?.position.offset).toBe(10);
});
