// 51 portals and 14 agents on a server of its own: `npm run constellation`, or on yours: `MILLRACE_URL=… MILLRACE_TOKEN=… npm run constellation`

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createServer, signToken, systemClock } from '@millrace/server';
import { type Constellation, startConstellation } from './constellation.ts';

const DAY_MS = 86_400_000;

/** Where it is published, and how to come in. */
interface Place {
  readonly url: string;
  /** A publisher's. */
  readonly token: string;
  /** For clients that only read. */
  readonly readerToken: string;
  close(): Promise<void>;
}

/** A server of its own, with its log beside this file. */
async function ownServer(): Promise<Place> {
  const secret = process.env.APP_SECRET ?? 'only for trying it out: 32 characters';
  const dashboardDirectory = join(import.meta.dirname, '../../packages/dashboard/dist');
  const server = await createServer({
    auth: { secret },
    server: { port: Number(process.env.PORT ?? 3001) },
    data: { directory: join(import.meta.dirname, '.millrace') },
    log: { level: 'warn' },
    ...(existsSync(join(dashboardDirectory, 'index.html')) && { dashboardDirectory }),
  });
  const { url } = await server.listen();
  const sign = (userId: string, role: 'publisher' | 'observer') =>
    signToken({
      key: { alg: 'HS256', secret },
      userId,
      roles: [role],
      ttlMs: DAY_MS,
      clock: systemClock,
    });
  const [token, readerToken] = await Promise.all([
    sign('constellation', 'publisher'),
    sign('reader', 'observer'),
  ]);
  return { url, token, readerToken, close: () => server.close() };
}

function foreignServer(url: string): Place {
  const token = process.env.MILLRACE_TOKEN;
  if (!token) {
    console.error(
      'MILLRACE_URL is set, so MILLRACE_TOKEN must be too: a publisher’s, as `npx millrace token --role publisher` prints',
    );
    process.exit(2);
  }
  return { url, token, readerToken: '<token>', close: async () => {} };
}

function greet({ url, readerToken }: Place): void {
  const socketUrl = url.replace(/^http/, 'ws');
  console.log(`the constellation is live on ${url}

by path:   new WebSocket('${socketUrl}/ws/metrics/consciousness?token=${readerToken}')
           also /ws/agents/status, /ws/workflows/execution, /ws/system/alerts
by alias:  new WebSocket('${socketUrl}/ws?token=…'), then {"type": "subscribe", "stream": "consciousness"}
           also agents, workflows, alerts
dashboard: ${url}/#token=${readerToken}
`);
}

// While a server is away, each of 125 publications a second fails for the same reason.
const told = new Set<string>();

function tellOnce({ code, message }: { readonly code: string; readonly message: string }): void {
  if (told.size > 100) told.clear();
  if (!told.has(message)) console.error(`${code}: ${message}`);
  told.add(message);
}

const place =
  process.env.MILLRACE_URL === undefined ? await ownServer() : foreignServer(process.env.MILLRACE_URL);
const constellation: Constellation = startConstellation({
  ...place,
  seed: Number(process.env.SEED ?? 1),
  onError: tellOnce,
});
greet(place);

async function stop(): Promise<void> {
  await constellation.close();
  await place.close();
  console.log(`${constellation.published} events were published`);
}
process.once('SIGINT', () => void stop());
process.once('SIGTERM', () => void stop());
