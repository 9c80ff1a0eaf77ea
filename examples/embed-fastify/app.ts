// Millrace beside a Fastify application, on one port: `npx node --conditions=source examples/embed-fastify/app.ts`

import { join } from 'node:path';
import { createServer as createMillrace, signToken, systemClock } from '@millrace/server';
import { fastify } from 'fastify';

export interface AppOptions {
  readonly port: number;
  /** Where Millrace keeps its log. */
  readonly directory: string;
  /** Signs the tokens by which Millrace knows the application's users; at least 32 characters. */
  readonly secret: string;
}

export async function startApp({ port, directory, secret }: AppOptions) {
  const millrace = await createMillrace({ auth: { secret }, data: { directory }, log: { level: 'warn' } });

  const app = fastify();
  app.get('/hello', async () => ({ hello: 'from Fastify' }));
  // Your own login says who may have a token, and for what.
  app.post('/token', async () => {
    const key = { alg: 'HS256', secret } as const;
    const who = { userId: 'anna', roles: ['observer'], ttlMs: 3_600_000 } as const;
    return { token: await signToken({ key, ...who, clock: systemClock }) };
  });
  // A route of yours that everyone who follows `orders.*` hears of, once it is stored.
  app.post('/orders', async (request, reply) => {
    reply.code(201);
    return millrace.publish('orders.new', 'order.placed', request.body);
  });

  millrace.attach(app.server);
  // Its clients are told to come back, before Fastify waits for their connections to end.
  app.addHook('preClose', () => millrace.close());
  await app.listen({ port, host: '127.0.0.1' });

  return { server: app.server, close: () => app.close() };
}

if (import.meta.main) {
  const secret = process.env.APP_SECRET ?? 'only for trying it out: 32 characters';
  await startApp({ port: 3002, directory: join(import.meta.dirname, '.millrace'), secret });
  console.log('http://localhost:3002/hello is yours, http://localhost:3002/docs is Millrace');
}
