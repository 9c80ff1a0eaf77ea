import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient, SseClient, TestClient, within } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

interface App {
  readonly server: Server;
  close(): Promise<unknown>;
}

type StartApp = (options: { port: number; directory: string; secret: string }) => Promise<App>;

/** What must be true of Millrace beside any framework. */
export function describeEmbedding(framework: string, startApp: StartApp): void {
  describe(`beside ${framework}`, () => {
    let directory = '';
    let app: App;
    let port = 0;
    let browser: ApiClient;
    let token = '';

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), 'millrace-embedded-'));
      app = await startApp({ port: 0, directory, secret: 'a secret that only this test knows: 32' });
      port = (app.server.address() as AddressInfo).port;
      browser = new ApiClient(`http://127.0.0.1:${port}`);
      token = (await browser.post<{ token: string }>('/token', {})).body.token;
    });

    afterAll(() => rm(directory, { recursive: true, force: true }));

    const order = async (number: number): Promise<void> => {
      expect(await browser.post('/orders', { number })).toMatchObject({
        status: 201,
        body: { topic: 'orders.new' },
      });
    };

    test('the framework’s own routes answer, and what it does not know is its own 404', async () => {
      expect(await browser.get('/hello')).toMatchObject({
        status: 200,
        body: { hello: `from ${framework}` },
      });
      const unknown = await browser.get('/nothing');
      expect(unknown.status).toBe(404);
      expect(unknown.headers.get('content-type')).not.toContain('problem+json');
      expect((await browser.get('/eventsandmore')).headers.get('content-type')).not.toContain('problem+json');
    });

    test('[SSE-1] what a route publishes in-process arrives at an event stream', async () => {
      const stream = new SseClient(`http://127.0.0.1:${port}/events?topics=orders.*&token=${token}`);
      await stream.until(
        ({ blocks }) => blocks.some(({ retry }) => retry !== undefined),
        'the stream to begin',
      );
      await order(1);
      await stream.until(({ events }) => events.some(({ data }) => data === '{"number":1}'), 'the order');
      stream.close();
    });

    test('[CONN-1] and at a WebSocket', async () => {
      const socket = await new TestClient(`ws://127.0.0.1:${port}/ws?token=${token}`).opened();
      socket.send({ type: 'subscribe', topic: 'orders.new' });
      await socket.next('subscribed');
      await order(2);
      expect(await socket.next('event')).toMatchObject({ event: 'order.placed', data: { number: 2 } });
      socket.close();
    });

    test('[HTTP-3] and is read back over HTTP', async () => {
      await order(3);
      const reader = new ApiClient(`http://127.0.0.1:${port}`, token);
      expect(await reader.get('/api/v1/topics/orders.new/events?last=1')).toMatchObject({
        status: 200,
        body: { events: [{ data: { number: 3 } }] },
      });
      expect((await browser.get('/docs')).status).toBe(200);
      expect((await browser.get('/readyz')).status).toBe(200);
    });

    test('an upgrade that nobody asked for is refused', async () => {
      const elsewhere = new TestClient(`ws://127.0.0.1:${port}/elsewhere?token=${token}`);
      await expect(elsewhere.opened()).rejects.toThrow();
    });

    test('[CLOSE-2] closing says goodbye to its clients, and leaves nothing behind', async () => {
      const socket = await new TestClient(`ws://127.0.0.1:${port}/ws?token=${token}`).opened();
      await socket.next('welcome');
      const ended = new Promise((resolve) => app.server.once('close', resolve));
      await within(app.close(), 'the application to close');
      expect(await socket.next('closing')).toMatchObject({ code: 'draining' });
      expect(await socket.closed).toMatchObject({ code: 4000 });
      await within(ended, 'the port to be free');
    });
  });
}
