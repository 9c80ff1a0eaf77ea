import {
  clientFrame,
  ManualClock,
  OPCODE,
  RawWebSocket,
  type TestClient,
  TestServer,
  until,
} from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

let clock: ManualClock;
let server: TestServer;
let entity = '';
let tests = 0;

beforeAll(async () => {
  clock = new ManualClock();
  server = await TestServer.start({ clock });
});

afterAll(() => server.close());

beforeEach(() => {
  entity = `heartbeat-${++tests}`;
});

const connect = (): Promise<TestClient> => server.connect('/ws', { entity, clock, ttlMs: 86_400_000 });

async function raw(): Promise<RawWebSocket> {
  const token = await server.token({ entity, clock, ttlMs: 86_400_000 });
  const socket = new RawWebSocket(`${server.origin}/ws?token=${token}`);
  await socket.message('welcome');
  return socket;
}

const pings = ({ frames }: RawWebSocket) => frames.filter(({ opcode }) => opcode === OPCODE.ping);

/** A round trip: everything sent before has been received. */
async function pong(client: TestClient): Promise<void> {
  client.send({ type: 'ping', id: 'round trip' });
  while ((await client.next('pong')).id !== 'round trip');
}

describe('heartbeats', () => {
  test('[HB-1] a silent client is pinged, and its pongs keep it connected for as long as it likes', async () => {
    const client = await connect();
    let pinged = 0;
    client.socket.on('ping', () => pinged++);
    await client.next('welcome');
    // Half an hour without a single message of its own.
    for (let i = 0; i < 60; i++) {
      const before = pinged;
      clock.advance(33_000);
      await until(() => pinged > before, 'a ping');
      // `ws` has written the pong before it told of the ping; what follows on another connection comes later.
      await pong(await sibling());
    }
    expect(client.socket.readyState).toBe(client.socket.OPEN);
    await pong(client);
    client.close();
  });

  let shared: TestClient | undefined;
  async function sibling(): Promise<TestClient> {
    if (shared?.socket.readyState !== 1) shared = await connect();
    return shared;
  }

  test('[HB-1] a client that is heard is not pinged', async () => {
    const socket = await raw();
    for (let i = 0; i < 10; i++) {
      clock.advance(20_000);
      socket.send({ type: 'ping', id: i });
      await socket.message('pong', ({ id }) => id === i);
    }
    expect(pings(socket)).toEqual([]);
    socket.destroy();
  });

  test('[HB-2] a client not heard for 2 minutes is closed with 4001', async () => {
    const socket = await raw();
    clock.advance(118_000);
    socket.send({ type: 'ping', id: 'late' });
    await socket.message('pong');
    clock.advance(119_000);
    socket.tcp.write(clientFrame(OPCODE.pong, ''));
    socket.send({ type: 'ping', id: 'later' });
    await socket.message('pong', ({ id }) => id === 'later');
    clock.advance(122_000);
    await socket.until(({ frames }) => frames.some(({ opcode }) => opcode === OPCODE.close), 'a close frame');
    const close = socket.frames.find(({ opcode }) => opcode === OPCODE.close);
    expect(close?.payload.readUInt16BE(0)).toBe(4001);
    expect(pings(socket).length).toBeGreaterThanOrEqual(2);
    socket.destroy();
  });

  test('[HB-2] pings and unasked pongs of the client count as being heard', async () => {
    const socket = await raw();
    for (const opcode of [OPCODE.ping, OPCODE.pong, OPCODE.ping]) {
      clock.advance(100_000);
      const before = socket.frames.filter((frame) => frame.opcode === OPCODE.pong).length;
      socket.tcp.write(clientFrame(opcode, 'x'));
      socket.tcp.write(clientFrame(OPCODE.ping, 'fence'));
      await socket.until(
        ({ frames }) => frames.filter((frame) => frame.opcode === OPCODE.pong).length > before,
        'a pong',
      );
    }
    expect(socket.frames.some(({ opcode }) => opcode === OPCODE.close)).toBe(false);
    socket.destroy();
  });

  test('[HB-3] `ping` is answered with `pong`, its id and the server’s time', async () => {
    const client = await connect();
    await client.next('welcome');
    client.send({ type: 'ping', id: 'abc' });
    client.send({ type: 'ping' });
    const timestamp = new Date(clock.now()).toISOString();
    expect(await client.next()).toEqual({ type: 'pong', id: 'abc', timestamp });
    expect(await client.next()).toEqual({ type: 'pong', timestamp });
    client.close();
  });

  test('[HB-4] `position` moves a quiet client on, at most once a heartbeat, and resuming from it misses nothing', async () => {
    const client = await connect();
    const witness = await connect();
    witness.send({ type: 'subscribe', topic: '*' });
    await witness.next('subscribed');
    client.send({ type: 'subscribe', topics: ['quiet.a', 'host.b'] });
    const [answer] = await client.take('subscribed', 2);
    for (let i = 0; i < 20; i++) await server.server.publish('loud.a', 'x', i, { entity });
    await witness.take('event', 20);
    clock.advance(45_000);
    const told = await client.next('position');
    expect(told).toEqual({ type: 'position', cursor: expect.any(String) });
    expect(told.cursor).not.toBe(answer?.cursor);
    await pong(client);
    clock.advance(60_000);
    await pong(client);
    // Nothing happened since, so nothing is told.
    expect(client.messages.filter(({ type }) => type === 'position')).toEqual([told]);
    await server.server.publish('quiet.a', 'x', 'missed by nobody', { entity });
    const resumed = await connect();
    resumed.send({ type: 'subscribe', topic: '*', since: told.cursor });
    expect(await resumed.next('subscribed')).toMatchObject({ recovered: true, replayed: 1 });
    expect(await resumed.next('event')).toMatchObject({ data: 'missed by nobody' });
    for (const each of [client, witness, resumed]) each.close();
  });

  test('[HB-4] a client of a pattern is told where it stands, at most once a second, after the events before it', async () => {
    const client = await connect();
    client.send({ type: 'subscribe', topic: 'busy.*' });
    await client.next('subscribed');
    for (let second = 0; second < 3; second++) {
      clock.advance(1000);
      for (let i = 0; i < 5; i++) {
        await server.server.publish('busy.a', 'x', `${second}.${i}`, { entity });
        expect(await client.next('event')).toMatchObject({ data: `${second}.${i}` });
      }
    }
    await pong(client);
    const told = client.messages.flatMap((each, index) =>
      each.type === 'position' ? [{ each, index }] : [],
    );
    expect(told).toHaveLength(3);
    for (const { each, index } of told) {
      const before = client.messages.slice(0, index).filter(({ type }) => type === 'event').length;
      const resumed = await connect();
      resumed.send({ type: 'subscribe', topic: 'busy.*', since: each.cursor });
      expect(await resumed.next('subscribed')).toMatchObject({ recovered: true, replayed: 15 - before });
      resumed.close();
    }
    client.close();
  });
});

describe('closing', () => {
  test('[CLOSE-3] an administrator’s disconnection closes with 4504', async () => {
    const client = await connect();
    const { connectionId } = await client.next('welcome');
    const stranger = await server.token({ entity: 'another', clock });
    const admin = await server.token({ entity, clock });
    const disconnect = (token: string) =>
      fetch(`${server.origin}/api/v1/connections/${connectionId}`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${token}` },
      });
    expect((await disconnect(stranger)).status).toBe(404);
    await pong(client);
    expect((await disconnect(admin)).ok).toBe(true);
    expect(await client.closed).toMatchObject({ code: 4504 });
  });
});
