// Millrace beside a Hono application, on one port: `npx node --conditions=source examples/embed-hono/app.ts`

import { once } from 'node:events';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { createServer as createMillrace, signToken, systemClock } from '@millrace/server';
import { Hono } from 'hono';

export interface AppOptions {
  readonly port: number;
  /** Where Millrace keeps its log. */
  readonly directory: string;
  /** Signs the tokens by which Millrace knows the application's users; at least 32 characters. */
  readonly secret: string;
}

export async function startApp({ port, directory, secret }: AppOptions) {
  const millrace = await createMillrace({ auth: { secret }, data: { directory }, log: { level: 'warn' } });

  const app = new Hono();
  app.get('/hello', (context) => context.json({ hello: 'from Hono' }));
  // Your own login says who may have a token, and for what.
  app.post('/token', async (context) => {
    const key = { alg: 'HS256', secret } as const;
    const who = { userId: 'anna', roles: ['observer'], ttlMs: 3_600_000 } as const;
    return context.json({ token: await signToken({ key, ...who, clock: systemClock }) });
  });
  // A route of yours that everyone who follows `orders.*` hears of, once it is stored.
  app.post('/orders', async (context) => {
    const order: unknown = await context.req.json();
    return context.json(await millrace.publish('orders.new', 'order.placed', order), 201);
  });

  // Without options for HTTP/2 it is a server of `node:http`.
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  millrace.attach(server);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');

  return {
    server,
    close: async () => {
      await millrace.close();
      server.close();
    },
  };
}

if (import.meta.main) {
  const secret = process.env.APP_SECRET ?? 'only for trying it out: 32 characters';
  await startApp({ port: 3002, directory: join(import.meta.dirname, '.millrace'), secret });
  console.log('http://localhost:3002/hello is yours, http://localhost:3002/docs is Millrace');
}
