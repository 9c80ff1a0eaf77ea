/** The server under test, in a process of its own: `node millrace-server.ts <json options>`. */
import { createServer, type ServerOptions, signToken, systemClock } from '@millrace/server';

const secret = 'a secret for one benchmark run, no longer';
const options = JSON.parse(process.argv[2] ?? '{}') as ServerOptions;

const server = await createServer({
  ...options,
  server: { port: 0 },
  host: { enabled: false },
  sources: { server: false, process: false },
  log: { level: 'error' },
  auth: { secret },
  limits: { maxConnections: 100_000, ...options.limits },
});
const { port } = await server.listen();
const token = await signToken({
  key: { alg: 'HS256', secret },
  userId: 'bench',
  entityId: undefined,
  roles: ['admin'],
  topics: undefined,
  ttlMs: 3_600_000,
  clock: systemClock,
});
console.log(JSON.stringify({ port, token }));
process.stdin.resume();
process.stdin.on('end', () => {
  void server.close().then(() => process.exit(0));
});
