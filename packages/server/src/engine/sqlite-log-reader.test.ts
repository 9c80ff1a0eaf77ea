import { expect, test } from 'vitest';
import { Ledger } from './ledger.ts';
import type { TopicFile } from './sqlite-encoding.ts';
import type { EventRow } from './sqlite-event-row.ts';
import { LogReader, type ReaderLink } from './sqlite-log-reader.ts';
import type { ReaderReply } from './sqlite-reader-protocol.ts';
import { WorkerDiedError } from './sqlite-worker-link.ts';

const ROWS: readonly EventRow[] = [1, 2, 3].map((n) => [
  n,
  1,
  n,
  1000,
  2,
  `id${n}`,
  'step',
  String(n),
  null,
  null,
]);

function ledgerWithThreeEvents(): Ledger<TopicFile> {
  const ledger = new Ledger<TopicFile>({ slot: 'durable', epoch: 'e', newId: () => 'id' });
  const requests = ROWS.map(() => ({ entity: 'acme', topic: 'task.a', event: 'step', data: '1' }));
  ledger.plan(requests, 1000).commit();
  return ledger;
}

/** Reader threads that answer one request each, as told. */
function links(...answers: (() => ReaderReply)[]) {
  let started = 0;
  const start = (): ReaderLink => {
    started++;
    return {
      request: async () => (answers.shift() ?? (() => ({ type: 'closed' }) as const))(),
      terminate: async () => {},
    };
  };
  return { start, started: () => started };
}

const die = (): never => {
  throw new WorkerDiedError('it is gone');
};
const page =
  (rows: readonly EventRow[], after = 0) =>
  (): ReaderReply => ({
    type: 'page',
    page: { after, otherId: false, rows },
  });
const ALL = { maxEvents: 10 };

test('a reader thread that dies is replaced, and the read goes on', async () => {
  const threads = links(die, page(ROWS));
  const reader = new LogReader(ledgerWithThreeEvents(), threads.start);
  const result = await reader.read('acme', 'task.a', { earliest: true }, ALL);
  expect(result.ok && result.events.map((event) => event.data)).toEqual(['1', '2', '3']);
  expect(threads.started()).toBe(2);
});

test('one that dies again makes the read fail, not wait', async () => {
  const reader = new LogReader(ledgerWithThreeEvents(), links(die, die).start);
  await expect(reader.read('acme', 'task.a', { earliest: true }, ALL)).rejects.toThrow('it is gone');
});

test('a file that cannot be read makes the read fail with what is wrong', async () => {
  const threads = links(() => ({ type: 'failed', message: 'database disk image is malformed' }));
  const reader = new LogReader(ledgerWithThreeEvents(), threads.start);
  await expect(reader.read('acme', 'task.a', { earliest: true }, ALL)).rejects.toMatchObject({
    code: 'internal',
    message: expect.stringContaining('malformed'),
  });
});

test('a page that retention overtook is never handed out as if it were whole', async () => {
  const ledger = ledgerWithThreeEvents();
  const topic = ledger.topic('acme', 'task.a');
  if (topic === undefined) throw new Error('no topic');
  const position = (offset: number) => ({ epoch: topic.epoch, offset });
  const overtaken = (): ReaderReply => {
    ledger.trim('acme', topic, 3, 2, 1);
    return page(ROWS.slice(1))();
  };
  const after = new LogReader(ledger, links(overtaken).start);
  expect(await after.read('acme', 'task.a', { after: position(0) }, ALL)).toMatchObject({
    ok: false,
    reason: 'expired',
  });
  const earliest = new LogReader(ledger, links(page([]), page(ROWS.slice(2), 2)).start);
  const result = await earliest.read('acme', 'task.a', { earliest: true }, ALL);
  expect(result.ok && result.events.map((event) => event.offset)).toEqual([3]);
});
