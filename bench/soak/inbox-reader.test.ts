import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, signToken, systemClock } from '@millrace/server';
import { until } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { RawReader, type ReaderOptions, SdkReader } from './inbox-reader.ts';

const MESSAGES = 300;
const secret = 'the readers of this test sign with this';

test.each([
  ['with an acknowledgement of each message', RawReader],
  ['by the SDK', SdkReader],
])(
  'an inbox of far more messages than a client may send at once is read to its end %s',
  async (_, Reader) => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-reader-'));
    const server = await createServer({
      server: { port: 0 },
      data: { directory },
      auth: { secret },
      host: { enabled: false },
      sources: { server: false, process: false },
      log: { level: 'silent' },
      limits: { messagesPerSecond: 30, messageBurst: 30, maxViolations: 60 },
    });
    const { port } = await server.listen();
    const url = `http://127.0.0.1:${port}`;
    const token = (userId: string, role: 'member' | 'publisher'): Promise<string> =>
      signToken({
        key: { alg: 'HS256', secret },
        userId,
        roles: [role],
        ttlMs: 60_000,
        clock: systemClock,
      });
    const authorization = `Bearer ${await token('backend', 'publisher')}`;
    const event = { topic: 'user.ada', event: 'note', data: {} };
    const events = Array.from({ length: 100 }, () => event);
    for (let sent = 0; sent < MESSAGES; sent += events.length) {
      const response = await fetch(`${url}/api/v1/events`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: JSON.stringify({ events }),
      });
      expect(response.status).toBe(200);
    }

    const options: ReaderOptions = {
      url,
      token: await token('ada', 'member'),
      topic: 'user.ada',
      ackEvery: 1,
      messages: MESSAGES,
    };
    const reader = new Reader(options);
    try {
      await until(
        async () => {
          const response = await fetch(`${url}/api/v1/users/ada/inbox?limit=1`, {
            headers: { authorization },
          });
          return ((await response.json()) as { acked: number }).acked === MESSAGES;
        },
        'everything to be acknowledged',
        10_000,
      );
      expect(reader.received).toBe(MESSAGES);
      expect(reader.problems).toEqual({ disorder: 0, afterAck: 0 });
    } catch (error) {
      throw new Error(`the reader stands at ${reader.state}`, { cause: error });
    } finally {
      reader.close();
      await server.close();
      await rm(directory, { recursive: true, force: true });
    }
  },
);
