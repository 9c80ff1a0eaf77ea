// Millrace beside an Express application, on one port: `npx node --conditions=source examples/embed-express/app.ts`

import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { join } from 'node:path';
import { createServer as createMillrace, signToken, systemClock } from '@millrace/server';
import express from 'express';

export interface AppOptions {
  readonly port: number;
  /** Where Millrace keeps its log. */
  readonly directory: string;
  /** Signs the tokens by which Millrace knows the application's users; at least 32 characters. */
  readonly secret: string;
}

export async function startApp({ port, directory, secret }: AppOptions) {
  const millrace = await createMillrace({ auth: { secret }, data: { directory }, log: { level: 'warn' } });

  const app = express();
  app.get('/hello', (_request, response) => {
    response.json({ hello: 'from Express' });
  });
  // Your own login says who may have a token, and for what.
  app.post('/token', async (_request, response) => {
    const key = { alg: 'HS256', secret } as const;
    const who = { userId: 'anna', roles: ['observer'], ttlMs: 3_600_000 } as const;
    response.json({ token: await signToken({ key, ...who, clock: systemClock }) });
  });
  // A route of yours that everyone who follows `orders.*` hears of, once it is stored.
  app.post('/orders', express.json(), async (request, response) => {
    response.status(201).json(await millrace.publish('orders.new', 'order.placed', request.body));
  });

  const server = createHttpServer(app);
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
