import { connect, type Socket } from 'node:net';
import { TestServer, until } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.close());

function upgrade(path: string): Socket {
  const { port, hostname: host } = new URL(server.origin);
  const tcp = connect({ port: Number(port), host, allowHalfOpen: true });
  tcp.on('error', () => {});
  tcp.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
  return tcp;
}

describe.each(['/nowhere', '/ws?token=forged'])('an upgrade of %s that is refused', (path) => {
  // An error of a socket without a listener ended the process: anybody could stop the server.
  test('does no harm when its client resets the connection first', async () => {
    for (let i = 0; i < 20; i++) {
      const tcp = upgrade(path);
      await new Promise((resolve) => tcp.once('connect', resolve));
      await new Promise((resolve) => setImmediate(resolve));
      tcp.resetAndDestroy();
    }
    const answer = await fetch(`${server.origin}/livez`);
    expect(answer.status).toBe(200);
  });

  // The server closed only its own side: each refusal left a socket behind for as long as the client liked.
  test('is let go of by the server although its client does not close', async () => {
    const tcp = upgrade(path);
    let answer = '';
    let ended = false;
    let closed = false;
    tcp.on('data', (chunk) => {
      answer += chunk.toString();
    });
    tcp.on('end', () => {
      ended = true;
    });
    tcp.on('close', () => {
      closed = true;
    });
    await until(() => ended, 'the end of the answer');
    expect(answer).toMatch(/^HTTP\/1\.1 40[14] .*\r\n\r\n\{.*\}$/s);
    // Bytes for a socket that is gone are answered with a reset.
    await until(() => {
      if (!closed) tcp.write('x');
      return closed;
    }, 'the reset');
  });
});
