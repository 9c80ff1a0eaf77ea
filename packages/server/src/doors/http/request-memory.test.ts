import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { ApiClient, TestServer, until, within } from '@millrace/testkit';
import { afterEach, expect, test } from 'vitest';

let server: TestServer;
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close();
});

const PER_USER = 2000;

async function start(): Promise<void> {
  server = await TestServer.start({ limits: { maxRequestBytes: 5000, maxRequestBytesPerUser: PER_USER } });
}

/** A request of which only what is given is sent. */
async function begin(lines: readonly string[], body = ''): Promise<Socket> {
  const socket = connect(server.listening.port, '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'connect');
  socket.write(
    `${[...lines, 'Host: 127.0.0.1', 'Content-Type: application/json'].join('\r\n')}\r\n\r\n${body}`,
  );
  return socket;
}

async function answerOf(socket: Socket): Promise<string> {
  const [chunk] = (await within(once(socket, 'data'), 'the answer')) as [Buffer];
  return chunk.toString();
}

const publishing = async (sub: string, ...more: string[]): Promise<string[]> => [
  'POST /api/v1/events HTTP/1.1',
  `Authorization: Bearer ${await server.token({ sub })}`,
  ...more,
];

async function postBy(sub: string, bytes: number): Promise<number> {
  const api = new ApiClient(server.origin, await server.token({ sub }));
  return (await api.post('/api/v1/events', { topic: 'a', event: 'x', data: 'a'.repeat(bytes) })).status;
}

/** Begins a request until its bytes are taken: what asks whether they are may be in its way. */
async function take(sub: string, bytes: number, more: readonly string[], body: string): Promise<Socket> {
  for (let attempt = 1; attempt <= 20; attempt++) {
    const socket = await begin(await publishing(sub, ...more), body);
    let refused = false;
    socket.once('data', () => {
      refused = true;
    });
    const isTaken = async () => (await postBy(sub, PER_USER - bytes)) === 503;
    await until(async () => refused || (await isTaken()), `the bytes of ${sub} are taken`);
    if (!refused) return socket;
  }
  throw new Error(`the request of ${sub} was refused again and again`);
}

const takeSlowly = (sub: string, bytes: number): Promise<Socket> =>
  take(sub, bytes, [`Content-Length: ${bytes}`], '{');

test.each(['POST /nothing HTTP/1.1', 'POST /api/v1/events HTTP/1.1', 'PUT /livez HTTP/1.1'])(
  '[LIM-12] nothing is read of the body of a stranger: %s',
  async (line) => {
    await start();
    const socket = await begin([line, 'Content-Length: 1000000']);
    expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 40[145] [\s\S]*connection: close/i);
  },
);

test('[LIM-12] bodies that come slowly are bounded, of a user and of all, and make room when they are gone', async () => {
  await start();
  const slow = await takeSlowly('ann', 1500);
  expect(await postBy('ann', 100)).toBe(200);
  expect(await postBy('ben', 1900)).toBe(200);
  await takeSlowly('cid', 1800);
  await takeSlowly('dan', 1500);
  expect(await postBy('ben', 600)).toBe(503);
  slow.destroy();
  await until(async () => (await postBy('ben', 600)) === 200, 'there is room again');
});

test('[LIM-12] what was done is answered as done, even when there is no room for the answer', async () => {
  await start();
  await takeSlowly('ann', 1000);
  const before = (await server.server.publish('a', 'x', 0)).offset;
  expect(await postBy('ann', 880)).toBe(200);
  expect((await server.server.publish('a', 'x', 0)).offset).toBe(before + 2);
});

test('[LIM-12] a body of unknown length counts as it comes', async () => {
  await start();
  const chunk = `5dc\r\n${' '.repeat(1500)}\r\n`;
  await take('ann', 1500, ['Transfer-Encoding: chunked'], chunk);
  const another = await begin(await publishing('ann', 'Transfer-Encoding: chunked'), chunk);
  expect(await answerOf(another)).toMatch(/^HTTP\/1\.1 503 [\s\S]*retry-after: 1[\s\S]*"overloaded"/i);
});

test('[LIM-12] answers that nobody reads count, too', async () => {
  server = await TestServer.start({ limits: { maxRequestBytesPerUser: 20_000_000 } });
  for (let i = 0; i < 70; i++) await server.server.publish('big.a', 'x', 'a'.repeat(60_000));
  const line = 'GET /api/v1/topics/big.a/events?limit=1000 HTTP/1.1';
  const ask = async (): Promise<Socket> => {
    const socket = await begin([line, `Authorization: Bearer ${await server.token()}`]);
    socket.pause();
    return socket;
  };
  for (let i = 0; i < 12; i++) await ask();
  const api = new ApiClient(server.origin, await server.token());
  const read = () => api.get('/api/v1/topics/big.a/events?limit=1000');
  await until(async () => (await read()).status === 503, 'the user’s bytes are taken');
  for (const socket of sockets.splice(0)) socket.destroy();
  await until(async () => (await read()).status === 200, 'there is room again');
});
