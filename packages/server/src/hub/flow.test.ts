import type { EventMessage } from '@millrace/protocol';
import { clientFrame, OPCODE, RawWebSocket, type TestClient, TestServer, until } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

const MB = 1024 * 1024;
let server: TestServer;
let entity = '';
let tests = 0;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.close());

beforeEach(() => {
  entity = `flow-${++tests}`;
});

const filler = 'x'.repeat(8000);
const isEvent = (message: { type: string }): message is EventMessage => message.type === 'event';

async function subscriber(topic: string): Promise<TestClient> {
  const client = await server.connect('/ws', { entity });
  client.send({ type: 'subscribe', topic });
  await client.next('subscribed');
  return client;
}

/** Publishes batches, and waits for each until `witness` has it: then it was handed out to everyone. */
async function publish(topic: string, bytes: number, witness: TestClient): Promise<number> {
  const batches = Math.ceil(bytes / (20 * filler.length));
  for (let i = 0; i < batches; i++) {
    await Promise.all(
      Array.from({ length: 20 }, () => server.server.publish(topic, 'x', filler, { entity })),
    );
    await witness.take('event', 20);
  }
  return batches * 20;
}

describe('a client that stops reading', () => {
  test.each([
    ['topic', 'slow.a'],
    ['pattern', 'slow.*'],
  ])(
    '[FLOW-2] [FLOW-3] is told `lag` and gets every event of its %s in order; others are not delayed, memory stays bounded',
    async (_, name) => {
      const witness = await subscriber('slow.a');
      const slow = await subscriber(name);
      slow.socket.pause();
      const memory = process.memoryUsage().arrayBuffers;
      // The kernel hides the first few MB of slowness; the bound must then hold.
      const count = await publish('slow.a', 24 * MB, witness);
      // The witness, in this process too, has kept its own copy; recent events are bounded by bytes.
      const grown = process.memoryUsage().arrayBuffers - memory;
      expect(grown).toBeLessThan(3.5 * 24 * MB);
      expect(witness.messages.filter(isEvent)).toHaveLength(count);
      slow.socket.resume();
      await until(() => slow.messages.filter(isEvent).length >= count, 'all events', 15_000);
      await until(
        () => slow.messages.some((each) => each.type === 'lag' && each.behind === 0),
        'the end of the lag',
        15_000,
      );
      expect(slow.messages.filter(isEvent).map(({ offset }) => offset)).toEqual(
        Array.from({ length: count }, (__, i) => i + 1),
      );
      const lags = slow.messages.flatMap((each) => (each.type === 'lag' ? [each] : []));
      expect(lags[0]).toMatchObject({ topic: name });
      expect(lags[0]?.behind).toBeGreaterThan(0);
      expect(lags.at(-1)?.behind).toBe(0);
      // Live again.
      await publish('slow.a', 1, witness);
      await until(() => slow.messages.filter(isEvent).length === count + 20, 'live events');
      slow.close();
      witness.close();
    },
    30_000,
  );

  test('[FLOW-1] one that reads but never answers pings gets no more than the bound, and all of it once it answers', async () => {
    const witness = await subscriber('mute.a');
    const token = await server.token({ entity });
    const mute = new RawWebSocket(`${server.origin}/ws?token=${token}`);
    mute.send({ type: 'subscribe', topic: 'mute.a' });
    await mute.message('subscribed');
    const count = await publish('mute.a', 6 * MB, witness);
    mute.send({ type: 'ping', id: 'fence' });
    await mute.message('pong', ({ id }) => id === 'fence');
    const offsets = () =>
      mute.frames
        .filter(({ opcode, payload }) => opcode === OPCODE.text && payload.includes('"type":"event"'))
        .map(({ payload }) => Number(/"offset":(\d+)/.exec(payload.toString('latin1'))?.[1]));
    const bytes = mute.frames.reduce((sum, { payload }) => sum + payload.length, 0);
    // What one flush adds on top of the bound is as much as was published at once.
    expect(bytes).toBeLessThan(1 * MB + 2 * 20 * filler.length);
    expect(mute.messages).toContainEqual(expect.objectContaining({ type: 'lag', topic: 'mute.a' }));
    let answered = 0;
    while (offsets().length < count) {
      const pings = mute.frames.filter(({ opcode }) => opcode === OPCODE.ping);
      for (; answered < pings.length; answered++) {
        mute.tcp.write(clientFrame(OPCODE.pong, pings[answered]!.payload));
      }
      const before = mute.frames.length;
      await mute.until(({ frames }) => frames.length > before || offsets().length === count, 'more frames');
    }
    expect(offsets()).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    mute.destroy();
    witness.close();
  });

  test('[FLOW-2] a slow event stream gets everything, too, with ids to resume from', async () => {
    const witness = await subscriber('slow.a');
    const stream = await server.stream('/events?topics=slow.*', { entity });
    await stream.until(({ blocks }) => blocks.length > 0, 'the first block');
    stream.pause();
    const count = await publish('slow.a', 16 * MB, witness);
    stream.resume();
    const events = await stream.take(count);
    expect(new Set(events.map(({ id }) => id)).size).toBe(count);
    const resumed = await server.stream(
      '/events?topics=slow.*',
      { entity },
      {
        'last-event-id': events[count - 3]?.id ?? '',
      },
    );
    await resumed.take(2);
    await publish('slow.a', 1, witness);
    expect((await resumed.take(22)).map(({ id }) => id).slice(0, 2)).toEqual(
      events.slice(-2).map(({ id }) => id),
    );
    stream.close();
    resumed.close();
    witness.close();
  }, 30_000);

  test('[FLOW-2] one that unsubscribes, or goes, while it lags leaves nothing behind', async () => {
    const witness = await subscriber('slow.a');
    const slow = await subscriber('slow.a');
    slow.socket.pause();
    await publish('slow.a', 12 * MB, witness);
    slow.send({ type: 'unsubscribe', id: 1, topic: 'slow.a' });
    slow.send({ type: 'subscribe', id: 2, topic: 'slow.b' });
    slow.socket.resume();
    await slow.next('unsubscribed');
    await slow.next('subscribed');
    await server.server.publish('slow.a', 'x', 'not wanted', { entity });
    await server.server.publish('slow.b', 'x', 'wanted', { entity });
    expect(await slow.next('event')).toMatchObject({ topic: 'slow.b', data: 'wanted' });
    const gone = await subscriber('slow.a');
    gone.socket.pause();
    await witness.next('event');
    await publish('slow.a', 12 * MB, witness);
    gone.socket.terminate();
    await publish('slow.a', 1 * MB, witness);
    slow.close();
    witness.close();
  }, 30_000);
});

describe('events that come together', () => {
  test('[FLOW-4] events of many topics in one flush are a message each', async () => {
    const client = await subscriber('*');
    const topics = Array.from({ length: 65 }, (_, i) => `many.${i}`);
    for (let round = 0; round < 3; round++) {
      await Promise.all(topics.map((topic) => server.server.publish(topic, 'x', round, { entity })));
    }
    const events = await client.take('event', 195);
    for (const topic of topics) {
      const own = events.filter((event) => event.topic === topic);
      expect(own.map(({ offset, data }) => [offset, data])).toEqual([
        [1, 0],
        [2, 1],
        [3, 2],
      ]);
    }
    for (const text of client.texts) expect(() => JSON.parse(text) as unknown).not.toThrow();
    client.close();
  });
});
