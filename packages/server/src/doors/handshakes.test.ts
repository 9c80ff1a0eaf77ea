import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { ManualClock, RawWebSocket, TestServer, UpgradeRefused, until } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LOCALHOST_CERTIFICATE, LOCALHOST_KEY } from './fixtures/localhost-certificate.ts';

let clock: ManualClock;
let server: TestServer;

beforeEach(async () => {
  clock = new ManualClock();
  server = await TestServer.start({ clock });
});

afterEach(() => server.close());

interface Attacker {
  readonly tcp: Socket;
  readonly received: () => string;
  readonly closed: Promise<unknown>;
}

/** A TCP connection that the server has accepted: it takes them in order, and has answered one that came later. */
async function attacker(first = ''): Promise<Attacker> {
  const tcp = connect(server.listening.port, '127.0.0.1');
  let received = '';
  tcp.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  tcp.on('error', () => {});
  const closed = new Promise((resolve) => tcp.once('close', resolve));
  await once(tcp, 'connect');
  if (first !== '') tcp.write(first);
  await request();
  return { tcp, received: () => received, closed };
}

/** A request on a connection of its own. */
async function request(): Promise<void> {
  const secure = server.listening.url.startsWith('https');
  const options = { port: server.listening.port, host: '127.0.0.1' };
  const tcp = secure ? connectTls({ ...options, rejectUnauthorized: false }) : connect(options);
  tcp.write('GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
  tcp.resume();
  await once(tcp, 'close');
}

const upgrade = [
  'GET /ws HTTP/1.1',
  'host: localhost',
  'upgrade: websocket',
  'connection: Upgrade',
  'sec-websocket-version: 13',
  `sec-websocket-key: ${Buffer.alloc(16).toString('base64')}`,
].join('\r\n');

describe('10 s from the connection to a valid token', () => {
  test('[AUTH-3] a connection that sends nothing is cut', async () => {
    const { tcp, closed } = await attacker();
    clock.advance(9999);
    expect(tcp.closed).toBe(false);
    clock.advance(251);
    await closed;
  });

  test('[AUTH-3] one that sends its headers byte by byte is cut', async () => {
    const { tcp, closed } = await attacker('GE');
    for (let i = 0; i < 10; i++) {
      tcp.write(upgrade.slice(2 + i, 3 + i));
      clock.advance(1025);
    }
    await closed;
  });

  test('[AUTH-3] what the headers took is not given again after the upgrade', async () => {
    const { tcp, closed, received } = await attacker(upgrade);
    clock.advance(6000);
    tcp.write('\r\n\r\n');
    await until(() => received().includes(' 101 '), 'the upgrade');
    clock.advance(3999);
    expect(tcp.closed).toBe(false);
    clock.advance(251);
    await closed;
    // The close frame's number, 4007.
    expect(received()).toContain(String.fromCharCode(4007 >> 8, 4007 & 255));
  });

  test('[AUTH-3] a session in the middle of a frame before its token is cut, and not waited for', async () => {
    const raw = new RawWebSocket(`${server.origin}/ws`, { first: Buffer.from([0x81]) });
    await until(() => raw.head.includes(' 101 '), 'the upgrade');
    clock.advance(10_250);
    await raw.ended;
  });

  test('[AUTH-3] who came in time is left alone, and so is a connection between two requests', async () => {
    const { tcp, received } = await attacker('GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n');
    const client = await server.connect('/ws', { clock, ttlMs: 3_600_000 });
    await until(() => received().includes('200 OK'), 'the answer');
    clock.advance(20_000);
    client.send({ type: 'ping', id: 1 });
    await client.next('pong');
    expect(tcp.closed).toBe(false);
    client.close();
    tcp.destroy();
  });

  test('[AUTH-3] TLS is part of it: before it, in the middle, and when only headers are missing after it', async () => {
    await server.close();
    const directory = await mkdtemp(join(tmpdir(), 'millrace-tls-'));
    const tls = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') };
    await writeFile(tls.cert, LOCALHOST_CERTIFICATE);
    await writeFile(tls.key, LOCALHOST_KEY);
    server = await TestServer.start({ clock, tls });
    const silent = await attacker();
    // The head of a TLS record that promises more.
    const halfway = await attacker('\x16\x03\x01\x02\x00');
    clock.advance(4000);
    const secured = connectTls({ port: server.listening.port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(secured, 'secureConnect');
    secured.write('GET /ws HTTP');
    await request();
    clock.advance(6250);
    await Promise.all([silent.closed, halfway.closed]);
    const closed = new Promise((resolve) => secured.once('close', resolve));
    secured.on('error', () => {});
    secured.write('/1.1\r\n');
    await request();
    expect(secured.closed).toBe(false);
    clock.advance(4000);
    await closed;
    await rm(directory, { recursive: true, force: true });
  });

  test('[LIM-6] an address that leaves handshakes unfinished again and again is banned', async () => {
    await server.close();
    server = await TestServer.start({ clock, limits: { maxAddressViolations: 3 } });
    const attackers = [await attacker(), await attacker('GET '), await attacker(`${upgrade}\r\n\r\n`)];
    clock.advance(10_250);
    for (const { closed } of attackers) await closed;
    const refused: unknown = await server.connectAnonymously().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UpgradeRefused);
    expect(refused).toMatchObject({ status: 429, problem: { code: 'abuse' } });
    const client = await server.connect('/ws', { clock });
    await client.next('welcome');
    client.close();
  });
});

describe('a request whose body does not come', () => {
  test('[LIM-8] is answered and not waited for when it brings no valid token', async () => {
    const head = 'POST /api/v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n';
    const { closed, received } = await attacker(`${head}content-length: 1000\r\n\r\n{`);
    await closed;
    expect(received()).toMatch(/^HTTP\/1\.1 401 /);
  });

  test('[LIM-8] is cut off after its time', async () => {
    await server.close();
    // This time is Node's own, and not of the clock.
    server = await TestServer.start({ limits: { requestTimeout: '1s' } });
    const token = await server.token();
    const head = `POST /api/v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n`;
    const { closed, received } = await attacker(
      `${head}content-type: application/json\r\ncontent-length: 1000\r\n\r\n{`,
    );
    await closed;
    expect(received()).toMatch(/^(HTTP\/1\.1 408 .*)?$/s);
  });
});
