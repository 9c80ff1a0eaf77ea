import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createServer, type ServerOptions } from '@millrace/server';

/*
 * The server that is attacked, in a process of its own: the options come as JSON in the first argument. For each line it
 * collects garbage and says what its heap holds; it ends with its input.
 */

const directory = await mkdtemp(join(tmpdir(), 'millrace-abuse-'));
const server = await createServer({
  host: { enabled: false },
  sources: { server: false, process: false },
  log: { level: 'error' },
  ...(JSON.parse(process.argv[2] ?? '{}') as ServerOptions),
  server: { port: 0 },
  data: { directory },
});
const { port } = await server.listen();
console.log(JSON.stringify({ port }));
for await (const _ of createInterface({ input: process.stdin })) {
  globalThis.gc?.();
  await new Promise((resolve) => setImmediate(resolve));
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  console.log(JSON.stringify({ heapKb: Math.round((heapUsed + external) / 1024) }));
}
await server.close();
await rm(directory, { recursive: true, force: true });
