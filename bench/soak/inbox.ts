import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { signToken, systemClock } from '@millrace/server';
import { type InboxReader, RawReader, type ReaderOptions, SdkReader } from './inbox-reader.ts';
import type { InboxServerOrder } from './inbox-server.ts';

/*
 * Messages to users who are offline, by a server that is killed (SIGKILL) while they are sent and while they are read. In the end
 * every user must have had every message in order, none again once its acknowledgement was confirmed, and none must have
 * become a dead letter. Half of the users read by a raw WebSocket, half by the SDK. `npm run soak:inbox`; ends by itself.
 */

const { values } = parseArgs({
  options: {
    users: { type: 'string', default: '100' },
    messages: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '85' },
  },
});
const users = Number(values.users);
/** To each user. */
const messages = Number(values.messages);
const deadline = performance.now() + Number(values.seconds) * 1000;
/** Whoever has no answer after so long does not wait for it. In ms. */
const ANSWER_MS = 5000;
const secret = 'the soak test signs its own tokens with this';
const directory = await mkdtemp(join(tmpdir(), 'millrace-inbox-'));
const token = (userId: string, role: 'member' | 'publisher'): Promise<string> =>
  signToken({
    key: { alg: 'HS256', secret },
    userId,
    roles: [role],
    ttlMs: 7_200_000,
    clock: systemClock,
  });

let port = 0;
let kills = 0;
let server = await start();
const url = `http://127.0.0.1:${port}`;
const publisher = await token('backend', 'publisher');

const sending = sendAll();
await until(() => sending.stored > messages / 2);
await killAndRestart();
await sending.done;
console.error(`${users * messages} messages are stored, after a kill; the users come back`);

const readers = await Promise.all(
  Array.from({ length: users }, async (_, i): Promise<InboxReader> => {
    const user = userId(i);
    const options: ReaderOptions = {
      url,
      token: await token(user, 'member'),
      topic: `user.${user}`,
      ackEvery: 1 + (i % 20),
      messages,
    };
    return i % 2 === 0 ? new RawReader(options) : new SdkReader(options);
  }),
);
await until(() => sum(({ received }) => received) > (users * messages) / 10);
await killAndRestart();
await until(() => readers.every(({ received }) => received === messages));
const unacknowledged = async (): Promise<number> => {
  const acked = await Promise.all(Array.from({ length: users }, (_, i) => readAcked(userId(i))));
  return acked.reduce((total, each) => total + messages - each, 0);
};
let notAcknowledged = users * messages;
await until(async () => {
  notAcknowledged = await unacknowledged();
  return notAcknowledged === 0;
}, 500);
if (performance.now() > deadline) tellUnfinished();
const deadLetters = await countDeadLetters();
for (const reader of readers) reader.close();
server.kill('SIGTERM');
await rm(directory, { recursive: true, force: true });

const result = {
  users,
  messages,
  kills,
  received: sum(({ received }) => received),
  repeatsBeforeAck: sum(({ repeats }) => repeats),
  disorder: sum(({ problems }) => problems.disorder),
  afterAck: sum(({ problems }) => problems.afterAck),
  missing: sum(({ received }) => messages - received),
  notAcknowledged,
  deadLetters,
  seconds: Math.round(performance.now() / 1000),
};
console.log(JSON.stringify(result));
const { disorder, afterAck, missing } = result;
process.exit(disorder + afterAck + missing + notAcknowledged + deadLetters === 0 ? 0 : 1);

function userId(i: number): string {
  return `soak-${i}`;
}

/** Where each reader stands when not all were done in time. */
function tellUnfinished(): void {
  for (const [i, reader] of readers.entries()) {
    console.error(`${userId(i)} stands at ${reader.state}`);
  }
}

function sum(of: (reader: InboxReader) => number): number {
  return readers.reduce((total, reader) => total + of(reader), 0);
}

async function start(): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL('./inbox-server.ts', import.meta.url)), {
    execArgv: process.execArgv,
  });
  const order: InboxServerOrder = { directory, secret, port };
  child.send(order);
  const failed = once(child, 'exit').then(() => Promise.reject(new Error('the server did not start')));
  const [listening] = (await Promise.race([once(child, 'message'), failed])) as [{ readonly port: number }];
  ({ port } = listening);
  return child;
}

async function killAndRestart(): Promise<void> {
  const exited = once(server, 'exit');
  server.kill('SIGKILL');
  await exited;
  kills++;
  server = await start();
}

/** Sends every message to everyone, with a key, and repeats what was not answered. */
function sendAll(): { readonly done: Promise<void>; readonly stored: number } {
  const progress = { stored: 0, done: Promise.resolve() };
  progress.done = (async () => {
    for (let n = 1; n <= messages && performance.now() < deadline; n++) {
      const events = Array.from({ length: users }, (_, i) => ({
        topic: `user.${userId(i)}`,
        event: 'soak.message',
        data: { n },
        idempotencyKey: `message ${n}`,
      }));
      while (!(await publish(events)) && performance.now() < deadline) await pause(20);
      progress.stored = n;
    }
  })();
  return progress;
}

/** Whether all of them are surely stored. */
async function publish(events: readonly object[]): Promise<boolean> {
  try {
    const response = await fetch(`${url}/api/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${publisher}`, 'content-type': 'application/json' },
      body: JSON.stringify({ events }),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

async function readAcked(user: string): Promise<number> {
  const { acked } = await read<{ acked: number }>(`users/${user}/inbox?limit=1`, publisher);
  return acked ?? 0;
}

/** Users of whom something was given up, or of whom that cannot be told. */
async function countDeadLetters(): Promise<number> {
  const ids = Array.from({ length: users }, (_, i) => userId(i));
  const answers = await Promise.all(
    ids.map(async (user) => read(`topics/user.${user}.dead-letter`, await token(user, 'member'))),
  );
  return answers.filter(({ status }) => status !== 404).length;
}

/** What the server answers, errors included; nothing when it does not. */
async function read<Answer>(path: string, bearer: string): Promise<Partial<Answer> & { status?: number }> {
  try {
    const response = await fetch(`${url}/api/v1/${path}`, {
      headers: { authorization: `Bearer ${bearer}` },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return { ...((await response.json()) as Partial<Answer>), status: response.status };
  } catch {
    return {};
  }
}

/** Waits, but no longer than the soak test may take. */
async function until(condition: () => boolean | Promise<boolean>, everyMs = 20): Promise<void> {
  while (!(await condition()) && performance.now() < deadline) await pause(everyMs);
}
