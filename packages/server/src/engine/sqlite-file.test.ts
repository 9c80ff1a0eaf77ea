import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemTurns } from '../clock.ts';
import type { Engine } from './engine.ts';
import { createSqliteEngine } from './sqlite-engine.ts';
import { DataFileError } from './sqlite-error.ts';
import { APPLICATION_ID, SCHEMA_VERSION } from './sqlite-schema.ts';

let directory: string;
let file: string;
const engines: Engine[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-file-'));
  file = join(directory, 'millrace.db');
});
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
  await rm(directory, { recursive: true, force: true });
});

async function open(): Promise<Engine> {
  const engine = await createSqliteEngine({
    directory,
    clock: systemClock,
    turns: systemTurns,
    retention: () => ({}),
    onError: (error) => {
      throw error;
    },
  });
  engines.push(engine);
  return engine;
}

async function openWithEvents(): Promise<void> {
  const engine = await open();
  const data = JSON.stringify('x'.repeat(500));
  const request = { entity: 'acme', topic: 'task.a', event: 'step', data };
  await engine.append(Array.from({ length: 200 }, () => request));
  await engine.close();
}

async function openingError(): Promise<DataFileError> {
  const error = await open().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof DataFileError)) throw new Error(`expected a DataFileError, got ${String(error)}`);
  return error;
}

describe('a damaged data file', () => {
  const damages: readonly (readonly [what: string, harm: () => Promise<void>, says: RegExp])[] = [
    ['that is something else', () => writeFile(file, 'hello '.repeat(1000)), /not a SQLite database/],
    ['that is empty', () => truncate(file, 0), /ends after 0 bytes/],
    ['that ends within its header', () => truncate(file, 50), /ends after 50 bytes/],
    [
      'that lacks its last pages',
      async () => truncate(file, (await stat(file)).size - 8192),
      /ends after \d+ of \d+ bytes|malformed/,
    ],
    [
      'whose first page is overwritten',
      async () => {
        const bytes = await readFile(file);
        bytes.fill(0xff, 100, 4096);
        await writeFile(file, bytes);
      },
      /malformed|not a database|damaged/,
    ],
    [
      'that belongs to another program',
      async () => {
        await rm(file);
        const other = new DatabaseSync(file);
        other.exec('CREATE TABLE notes (text TEXT)');
        other.close();
      },
      /another program/,
    ],
    [
      'that lost a table',
      async () => {
        const database = new DatabaseSync(file);
        database.exec('DROP TABLE keys');
        database.close();
      },
      /its table keys is gone/,
    ],
    [
      'that is gone, while its log is there',
      async () => {
        await rm(file);
        await writeFile(`${file}-wal`, 'x');
      },
      /missing/,
    ],
  ];

  test.each(damages)(
    '%s is reported with its name and what to do, and left as it is',
    async (_, harm, says) => {
      await openWithEvents();
      await harm();
      const before = existsSync(file) ? await readFile(file) : undefined;
      const error = await openingError();
      expect(error).toMatchObject({ code: 'damaged', path: file });
      expect(error.message).toMatch(says);
      expect(error.message).toContain(file);
      expect(error.message).toContain('Restore it from a backup');
      expect(existsSync(file) ? await readFile(file) : undefined).toEqual(before);
    },
  );
});

test('a file from a newer version is refused by name', async () => {
  await openWithEvents();
  const database = new DatabaseSync(file);
  database.exec('PRAGMA user_version = 99');
  database.close();
  const error = await openingError();
  expect(error.code).toBe('newer');
  expect(error.message).toMatch(/newer version of Millrace.*99/);
});

test('a file from the next version is opened: that version has only added to it', async () => {
  await openWithEvents();
  const database = new DatabaseSync(file);
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}; ALTER TABLE topics ADD COLUMN colour TEXT`);
  database.close();
  const engine = await open();
  expect(await engine.head('acme', 'task.a')).toMatchObject({ position: { offset: 200 } });
});

test('a file from the version before is opened with all that it holds', async () => {
  const old = new DatabaseSync(file);
  old.exec(await readFile(new URL('./fixtures/data-file-v1.sql', import.meta.url), 'utf8'));
  old.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 1; PRAGMA journal_mode = WAL`);
  old.close();
  for (const opening of ['first', 'second'] as const) {
    const engine = await open();
    const inbox = await engine.read('acme', 'user.7', { earliest: true }, { maxEvents: 9 });
    expect(inbox.ok && inbox.events.map((event) => event.data).slice(0, 3)).toEqual(['1', '2', '3']);
    expect(await engine.head('acme', 'task.b')).toMatchObject({ sealed: true });
    expect(await engine.consumer('acme', 'user.7', 'done')).toEqual({
      acked: 3,
      sent: 3,
      runs: [],
      version: 1,
    });
    const runs = [{ upTo: 3, attempt: 2, nextAt: 1_795_000_120_000 }];
    const upgraded = [{ upTo: 2, attempt: 3, nextAt: 5 }, ...runs];
    expect(await engine.consumer('acme', 'user.7', 'inbox')).toEqual(
      opening === 'first'
        ? { acked: 1, sent: 3, runs, version: 1 }
        : { acked: 1, sent: 3, runs: upgraded, version: 2 },
    );
    if (opening === 'second') continue;
    const next = { acked: 1, sent: 3, runs: upgraded };
    expect(await engine.setConsumer('acme', 'user.7', 'inbox', 1, next)).toMatchObject({ stored: true });
    const request = { entity: 'acme', topic: 'user.7', event: 'step', data: '4' };
    expect(await engine.append([{ ...request, idempotencyKey: 'k' }, request])).toMatchObject([
      { duplicate: true, position: { offset: 3 } },
      { duplicate: false, position: { offset: 4 } },
    ]);
    await engine.close();
  }
});

test('a folder that cannot be used is reported', async () => {
  await writeFile(join(directory, 'blocked'), '');
  directory = join(directory, 'blocked');
  const error = await openingError();
  expect(error.code).toBe('unavailable');
  directory = join(directory, '..');
});

test('a creation that was interrupted begins again', async () => {
  await openWithEvents();
  await rename(file, `${file}.new`);
  await truncate(`${file}.new`, 1000);
  const engine = await open();
  expect(await engine.topics('acme', '*')).toEqual([]);
});

describe('a second opener', () => {
  test('is refused within a process, until the first has closed', async () => {
    const first = await open();
    expect((await openingError()).message).toMatch(/in use by another process/);
    await first.close();
    await open();
  });

  test('is refused across processes, until the first is gone, however it went', async () => {
    const holder = spawn(
      process.execPath,
      [
        '--conditions=source',
        '--input-type=module',
        '-e',
        `import { lockFolder } from ${JSON.stringify(new URL('./sqlite-lock.ts', import.meta.url).href)};
         globalThis.held = lockFolder(${JSON.stringify(directory)});
         console.log('held');
         setInterval(() => {}, 1e6);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      await once(holder.stdout, 'data');
      expect((await openingError()).code).toBe('locked');
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    await open();
  });
});
