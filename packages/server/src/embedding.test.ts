import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestClient, TestServer } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PublishOptions } from './millrace-server.ts';

let directory: string;
let millrace: TestServer;
let shared: Server;
let origin: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-attached-'));
  await writeFile(join(directory, 'index.html'), '<script src="./app.js"></script>');
  millrace = await TestServer.start({ dashboardDirectory: directory });
  shared = createServer((_request, response) => response.end('the application'));
  millrace.server.attach(shared, { prefix: '/realtime' });
  await new Promise<void>((resolve) => shared.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(shared.address() as AddressInfo).port}`;
});

afterAll(async () => {
  shared.close();
  shared.closeAllConnections();
  await millrace.close();
  await rm(directory, { recursive: true });
});

// The data folder stayed locked by the engine that had been opened for it.
test.each([{ cors: { origins: ['https://App.example.com'] } }, { server: { publicUrl: 'https://' } }])(
  'a server that cannot be made of its configuration, %j, leaves its data folder free',
  async (wrong) => {
    const data = await mkdtemp(join(tmpdir(), 'millrace-misconfigured-'));
    await expect(TestServer.start({ ...wrong, directory: data })).rejects.toThrow();
    await (await TestServer.start({ directory: data })).close();
    await rm(data, { recursive: true });
  },
);

// Its page loads `./app.js`, which from `/realtime` is a file of the application.
test('the prefix itself leads to the dashboard, whose files stand below it', async () => {
  const asked = await fetch(`${origin}/realtime?a=1`, { redirect: 'manual' });
  expect([asked.status, asked.headers.get('location')]).toEqual([308, '/realtime/?a=1']);
  const page = await fetch(`${origin}/realtime`);
  expect([page.url, page.headers.get('content-type')]).toEqual([
    `${origin}/realtime/`,
    'text/html; charset=utf-8',
  ]);
});

test('what lies below the prefix is ours, everything else the application’s', async () => {
  expect((await fetch(`${origin}/realtime/livez`)).status).toBe(200);
  for (const path of ['/', '/livez', '/realtimes', '/realtimes/livez']) {
    expect(await (await fetch(origin + path)).text()).toBe('the application');
  }
  const socket = new TestClient(
    `${origin.replace('http', 'ws')}/realtime/ws?token=${await millrace.token()}`,
  );
  expect(await (await socket.opened()).next('welcome')).toMatchObject({ userId: 'tester' });
  socket.close();
});

test.each([
  { event: 'a\nid: forged' },
  { event: '' },
  { event: 'x', key: '\u0000' },
  { event: 'x', priority: 'urgent"' },
])(
  '[MSG-6] what is published in-process keeps to the rules of all publishers: %j',
  async ({ event, ...options }) => {
    const published = millrace.server.publish('a.b', event, 1, options as PublishOptions);
    await expect(published).rejects.toMatchObject({ code: 'bad-message' });
  },
);

test.each(['realtime', '/realtime/', '/', '//', '/a?b'])(
  'a prefix %s that no path begins with throws',
  (prefix) => {
    expect(() => millrace.server.attach(createServer(), { prefix })).toThrow(TypeError);
  },
);
