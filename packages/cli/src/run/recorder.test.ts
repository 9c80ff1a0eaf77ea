import type { Client, PublishOptions, PublishResult } from '@millrace/client';
import { MillraceError } from '@millrace/client';
import { expect, test } from 'vitest';
import { Recorder } from './recorder.ts';

interface Sent {
  readonly event: string;
  readonly data: unknown;
  readonly options: PublishOptions;
  readonly answer: PromiseWithResolvers<PublishResult>;
}

/** A client that answers when the test says so. */
function setUp() {
  const clients: { sent: Sent[]; closed: boolean; failure: MillraceError | undefined }[] = [];
  const failures: unknown[] = [];
  const reopened = Promise.withResolvers<void>();
  const recorder = new Recorder({
    topic: 'tool.x-1',
    ownTopic: true,
    executionId: 'x-1',
    restartDelayMs: 0,
    openClient() {
      const state = { sent: [] as Sent[], closed: false, failure: undefined as MillraceError | undefined };
      clients.push(state);
      if (clients.length === 2) queueMicrotask(() => reopened.resolve());
      const client: Pick<Client, 'publish' | 'close' | 'failure'> = {
        get failure() {
          return state.failure;
        },
        publish(_topic, event, data, options = {}) {
          const answer = Promise.withResolvers<PublishResult>();
          state.sent.push({ event, data, options, answer });
          return answer.promise;
        },
        close() {
          state.closed = true;
          for (const { answer } of state.sent) answer.reject(new MillraceError('unavailable', 'closed'));
        },
      };
      // The recorder uses no more of it.
      return client as Client;
    },
    onFailure: (error) => failures.push(error),
  });
  return { recorder, clients, failures, reopened: reopened.promise };
}

const stored = { topic: 'tool.x-1', id: 'i', offset: 1, epoch: 'e', timestamp: '' } satisfies PublishResult;
const keysOf = (sent: readonly Sent[] | undefined) => sent?.map(({ options }) => options.idempotencyKey);

test('publishes in order, with deterministic keys, and seals with the last', async () => {
  const { recorder, clients } = setUp();
  recorder.record('tool.started', { pid: 1 });
  recorder.record('tool.output', { output: 'a', is_stderr: false });
  recorder.record('tool.completed', { exit_code: 0 }, { seal: true });
  const sent = clients[0]?.sent ?? [];
  expect(keysOf(sent)).toEqual(['x-1-1', 'x-1-2', 'x-1-3']);
  expect(sent.map(({ options }) => options.seal)).toEqual([false, false, true]);
  expect(sent[1]?.data).toEqual({ execution_id: 'x-1', output: 'a', is_stderr: false });
  for (const { answer } of sent) answer.resolve(stored);
  expect(await recorder.flush(1000, new AbortController().signal)).toBe(true);
});

test('what the SDK gave up on is repeated in order on a new connection, with what came meanwhile', async () => {
  const { recorder, clients, failures, reopened } = setUp();
  for (let i = 0; i < 4; i++) recorder.record('tool.output', { output: `${i}` });
  clients[0]?.sent[0]?.answer.resolve(stored);
  clients[0]?.sent[2]?.answer.reject(new MillraceError('unknown', 'no answer'));
  await Promise.resolve();
  await Promise.resolve();
  expect(clients[0]?.closed).toBe(true);
  recorder.record('tool.output', { output: '4' });
  await reopened;
  expect(keysOf(clients[1]?.sent)).toEqual(['x-1-2', 'x-1-3', 'x-1-4', 'x-1-5']);
  for (const { answer } of clients[1]?.sent ?? []) answer.resolve(stored);
  expect(await recorder.flush(1000, new AbortController().signal)).toBe(true);
  expect(failures).toEqual([]);
});

test('an event that is refused for now is not overtaken: those after it conflict, and are repeated behind it', async () => {
  const { recorder, clients, failures, reopened } = setUp();
  for (let i = 0; i < 3; i++) recorder.record('tool.output', { output: `${i}` });
  expect(clients[0]?.sent.map(({ options }) => options.expectOffset)).toEqual([0, 1, 2]);
  // The SDK repeats the first by itself; the second finds that it is not there.
  clients[0]?.sent[1]?.answer.reject(new MillraceError('conflict', 'the head is 0'));
  await reopened;
  expect(keysOf(clients[1]?.sent)).toEqual(['x-1-1', 'x-1-2', 'x-1-3']);
  for (const { answer } of clients[1]?.sent ?? []) answer.resolve(stored);
  expect(await recorder.flush(1000, new AbortController().signal)).toBe(true);
  expect(failures).toEqual([]);
});

test.for([
  ['the log has lost what was stored', new MillraceError('conflict', 'the head is 0'), undefined],
  ['the server refuses an event', new MillraceError('sealed', 'closed'), undefined],
  [
    'the client was told not to come back',
    new MillraceError('unavailable', 'x'),
    new MillraceError('unauthorized', 'y'),
  ],
] as const)('nothing more is recorded, and nothing waited for, when %s', async ([, error, failure]) => {
  const { recorder, clients, failures } = setUp();
  recorder.record('tool.started', {});
  recorder.record('tool.output', { output: 'a' });
  const [client] = clients;
  if (client === undefined) throw new Error('no client was opened');
  client.failure = failure;
  client.sent[0]?.answer.reject(error);
  expect(await recorder.flush(60_000, new AbortController().signal)).toBe(false);
  recorder.record('tool.output', { output: 'b' });
  expect(client.sent).toHaveLength(2);
  expect(client.closed).toBe(true);
  expect(failures).toEqual([failure ?? error]);
});

test('is full at its bounds, and has room when half is stored', async () => {
  const { recorder, clients } = setUp();
  for (let i = 0; i < 499; i++) recorder.record('tool.output', { output: 'a' });
  expect(recorder.full).toBe(false);
  recorder.record('tool.output', { output: 'a' });
  expect(recorder.full).toBe(true);
  const room = recorder.room();
  for (const { answer } of clients[0]?.sent.slice(0, 250) ?? []) answer.resolve(stored);
  await room;
  expect(recorder.pending).toBe(250);
  for (let i = 0; i < 80; i++) recorder.record('tool.output', { output: 'x'.repeat(60_000) });
  expect(recorder.full).toBe(true);
});

test('a flush ends when it is interrupted or its time is over', async () => {
  const { recorder } = setUp();
  recorder.record('tool.started', {});
  const interrupted = new AbortController();
  const flushed = recorder.flush(60_000, interrupted.signal);
  interrupted.abort();
  expect(await flushed).toBe(false);
  expect(await recorder.flush(1, new AbortController().signal)).toBe(false);
  expect(recorder.pending).toBe(1);
});
