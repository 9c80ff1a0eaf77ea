import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { pause } from '../environment.ts';

/** A loopback port that nobody has, for servers that cannot say which one they took. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const DEADLINE_MS = 10_000;

/** Resolves when somebody listens on the port. */
export async function untilListening(port: number): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (performance.now() < deadline) {
    const socket = connect({ host: '127.0.0.1', port });
    const answered = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (answered) return;
    await pause(50);
  }
  throw new Error(`nobody listens on port ${port}`);
}
