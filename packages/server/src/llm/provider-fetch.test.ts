import { createServer, globalAgent, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { bodyOf, providerFetch } from './provider-fetch.ts';

let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

type Answer = (...args: Parameters<RequestListener>) => unknown;

async function listen(answer: Answer): Promise<string> {
  server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

function freeSockets(url: string): number {
  const { port } = new URL(url);
  return Object.entries(globalAgent.freeSockets)
    .filter(([name]) => name.includes(`:${port}:`))
    .reduce((count, [, sockets]) => count + (sockets?.length ?? 0), 0);
}

async function whole(response: Response): Promise<string> {
  const body = bodyOf(response);
  const decoder = new TextDecoder();
  let read = '';
  for (let bytes = await body.read(); bytes !== undefined; bytes = await body.read()) {
    read += decoder.decode(bytes, { stream: true });
  }
  return read;
}

test('sends what it is given, and hands the body out as it comes', async () => {
  const asked: unknown[] = [];
  const url = await listen(async (request, response) => {
    const { method, headers } = request;
    asked.push(method, headers.authorization, (await request.setEncoding('utf8').toArray()).join(''));
    response.writeHead(200, { 'x-request-id': '7' });
    for (const piece of ['one ', 'two ', 'three']) {
      response.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
  });
  const headers = new Headers({ authorization: 'Bearer k' });
  const response = await providerFetch(url, { method: 'POST', headers, body: '{"a":"ä"}' });
  expect(response.status).toBe(200);
  expect(response.headers.get('x-request-id')).toBe('7');
  expect(await whole(response)).toBe('one two three');
  expect(asked).toEqual(['POST', 'Bearer k', '{"a":"ä"}']);
});

test('has the text of a refusal in its response', async () => {
  const url = await listen((_, response) => {
    response.writeHead(429, { 'retry-after': '2' }).end('later');
  });
  const response = await providerFetch(url);
  expect([response.status, response.headers.get('retry-after'), await response.text()]).toEqual([
    429,
    '2',
    'later',
  ]);
  expect(() => bodyOf(response)).toThrow('none of an answer');
});

test('uses the connection of an answer again that is over before its body is, and no other', async () => {
  const ports = new Set<number | undefined>();
  const url = await listen((request, response) => {
    ports.add(request.socket.remotePort);
    response.writeHead(200);
    response.write('over');
    setImmediate(() => response.end());
  });
  for (let i = 0; i < 3; i++) {
    const body = bodyOf(await providerFetch(url));
    await body.read();
    body.finish();
    await vi.waitUntil(() => freeSockets(url) === 1);
  }
  expect(ports.size).toBe(1);
  await bodyOf(await providerFetch(url)).read();
});

test('gives up the connection of an answer that is over when its body does not end', async () => {
  const closed = Promise.withResolvers<void>();
  const url = await listen((_, response) => {
    response.once('close', closed.resolve);
    response.writeHead(200);
    response.write('over');
  });
  const body = bodyOf(await providerFetch(url));
  await body.read();
  body.finish();
  await closed.promise;
});

test('has the status of a refusal also where its text breaks off, and of one that has none', async () => {
  const url = await listen((request, response) => {
    if (request.url?.endsWith('304')) {
      response.writeHead(304).end();
      return;
    }
    response.writeHead(429, { 'retry-after': '7', 'content-length': '100' });
    response.write('half', () => response.socket?.destroy());
  });
  const response = await providerFetch(url);
  expect([response.status, response.headers.get('retry-after')]).toEqual([429, '7']);
  expect((await providerFetch(`${url}/304`)).status).toBe(304);
});

test('rejects an answer that is compressed against its wish', async () => {
  const url = await listen((request, response) => {
    expect(request.headers['accept-encoding']).toBe('identity');
    response.writeHead(200, { 'content-encoding': 'gzip' }).end('x');
  });
  await expect(providerFetch(url)).rejects.toThrow('compresses its answers (gzip)');
});

test('rejects where nobody listens', async () => {
  const url = await listen(() => {});
  server?.close();
  await expect(providerFetch(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('rejects where the connection is cut in the midst of the body, after what came of it', async () => {
  const url = await listen((_, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('half', () => response.socket?.destroy());
  });
  const body = bodyOf(await providerFetch(url));
  expect(new TextDecoder().decode(await body.read())).toBe('half');
  await expect(body.read()).rejects.toThrow();
});

test('rejects, and lets go of the connection, when it is aborted', async () => {
  const closed = Promise.withResolvers<void>();
  const url = await listen((_, response) => {
    response.once('close', closed.resolve);
    response.writeHead(200).flushHeaders();
  });
  const abort = new AbortController();
  const body = bodyOf(await providerFetch(url, { signal: abort.signal }));
  const reading = body.read();
  abort.abort();
  await expect(reading).rejects.toThrow('aborted');
  await closed.promise;
});

test('lets go of the connection when its body is closed', async () => {
  const closed = Promise.withResolvers<void>();
  const url = await listen((_, response) => {
    response.once('close', closed.resolve);
    response.writeHead(200);
    response.write('more to come');
  });
  bodyOf(await providerFetch(url)).close();
  await closed.promise;
});
