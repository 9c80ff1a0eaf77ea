import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dataFileIn, openForReading, prepareDataFile } from './sqlite-file.ts';
import { type SincePage, SqlitePages, type TopicSpan, type TrimPoint } from './sqlite-pages.ts';

let directory: string;
let database: DatabaseSync | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-pages-'));
});
afterEach(async () => {
  database?.close();
  database = undefined;
  await rm(directory, { recursive: true, force: true });
});

/** A file whose events belong to these topics, in seq order; each event's data is as long as its topic's number. */
function fileOf(owners: readonly number[]): { pages: SqlitePages; spans: TopicSpan[] } {
  const path = dataFileIn(directory);
  prepareDataFile(path, { epoch: 'e' });
  const heads = new Map<number, number>();
  const writer = new DatabaseSync(path);
  writer.exec('DELETE FROM events; BEGIN');
  const insert = writer.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?, 2, ?, ?, ?, NULL, NULL)');
  owners.forEach((topic, index) => {
    const offset = (heads.get(topic) ?? 0) + 1;
    heads.set(topic, offset);
    insert.run(index + 1, topic, offset, index + 1, topic * offset, 'id', 'step', 'x'.repeat(topic));
  });
  writer.exec('COMMIT');
  writer.close();
  database?.close();
  database = openForReading(path);
  const spans = [...heads].map(([topic, last]) => ({ topic, first: 1, last }));
  return { pages: new SqlitePages(database), spans };
}

test('a page after a seq holds the next events of all topics, and counts the rest', () => {
  const owners = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 120 });
  fc.assert(
    fc.property(
      owners,
      fc.nat(130),
      fc.integer({ min: 1, max: 130 }),
      fc.integer({ min: 1, max: 300 }),
      (topics, after, maxEvents, maxBytes) => {
        const { pages, spans } = fileOf(topics);
        const news = spans.filter(({ topic }) => topics.lastIndexOf(topic) + 1 > after);
        const page = pages.answer({
          type: 'since-page',
          after,
          spans: news,
          limit: { maxEvents, maxBytes },
        }) as SincePage;
        const expected = topics.map((topic, index) => ({ topic, seq: index + 1 })).slice(after);
        let bytes = 0;
        const end = expected.findIndex(({ topic }, index) => {
          bytes += topic;
          return index + 1 >= maxEvents || bytes >= maxBytes;
        });
        const first = end === -1 ? expected : expected.slice(0, end + 1);
        expect(page.rows.map((row) => row[0])).toEqual(first.map(({ seq }) => seq));
        expect(page.behind).toBe(expected.length - first.length);
      },
    ),
    { numRuns: 40 },
  );
}, 60_000);

test('the newest events of all topics are found backwards from any seq', () => {
  const owners = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 120 });
  fc.assert(
    fc.property(
      owners,
      fc.integer({ min: 1, max: 130 }),
      fc.integer({ min: 1, max: 60 }),
      (topics, through, count) => {
        const { pages, spans } = fileOf(topics);
        const odd = spans.filter(({ topic }) => topic % 2 === 1);
        const page = pages.answer({ type: 'newest', spans: odd, through, count });
        const seqs = topics.flatMap((topic, n) => (topic % 2 === 1 && n + 1 <= through ? [n + 1] : []));
        const newest = seqs.slice(-count);
        expect(page).toEqual({ seq: newest[0] ?? 0, found: newest.length });
      },
    ),
    { numRuns: 40 },
  );
}, 60_000);

test('the first event of any topic at a time is found', () => {
  const { pages, spans } = fileOf([1, 1, 2, 1, 3, 2, 2, 3]);
  const firstOf = (topics: readonly number[], time: number) =>
    pages.answer({ type: 'first-at-time', spans: spans.filter(({ topic }) => topics.includes(topic)), time });
  expect(firstOf([1, 2, 3], 0)).toEqual({ seq: 1 });
  expect(firstOf([1, 2, 3], 3)).toEqual({ seq: 3 });
  expect(firstOf([1, 3], 3)).toEqual({ seq: 4 });
  expect(firstOf([1], 5)).toEqual({ seq: 0 });
  expect(firstOf([], 0)).toEqual({ seq: 0 });
});

test('a cut leaves the newest events that are young enough, few enough and small enough', () => {
  const { pages } = fileOf(Array.from({ length: 100 }, () => 3));
  const cut = (through: number, before: number, maxBytes: number, mayTrim = Infinity) => {
    const span = { topic: 3, first: 1, last: 100 };
    const topics = [{ span, trimmedTotal: 0, through, mayTrim, before, maxBytes }];
    return (pages.answer({ type: 'trim-points', topics }) as readonly TrimPoint[])[0];
  };
  expect(cut(0, 0, Infinity)).toMatchObject({ offset: 0, nextTimestamp: 1 });
  expect(cut(40, 0, Infinity)).toMatchObject({ offset: 40, seq: 40, total: 120, nextTimestamp: 41 });
  expect(cut(40, 51, Infinity)).toMatchObject({ offset: 50, nextTimestamp: 51 });
  expect(cut(40, 51, 30)).toMatchObject({ offset: 90, total: 270 });
  expect(cut(0, 0, 29)).toMatchObject({ offset: 91 });
  expect(cut(0, 1000, Infinity)).toMatchObject({ offset: 100, timestamp: 100, nextTimestamp: 0 });
  expect(cut(40, 51, 30, 45)).toMatchObject({ offset: 45, total: 135, nextTimestamp: 46 });
});
