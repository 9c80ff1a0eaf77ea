import type { ServerMessage } from '@millrace/protocol';
import { TestServer, until } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { familyOf, type Places, placesView } from './fixtures/views-world.ts';

/** Of each topic, so many events come while clients come. */
const EVENTS = 200;

/** A client of each kind comes that often. */
const WAVES = 8;

/** Durable and trimmed behind its state, durable and whole, live. */
const TOPICS = ['held.a', 'held.b', 'whole.a', 'quick.a', 'quick.b.c'] as const;

let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start({
    families: [
      familyOf(['held.*'], placesView({ holdsLog: true })),
      familyOf(['whole.*', 'quick.*'], placesView()),
    ],
    namespaces: {
      held: { retention: { maxEvents: 100 } },
      quick: { durability: 'live' },
    },
  });
});

afterAll(() => server.close());

/** The numbers that a client has of each topic: those in the state, then those of the events. */
interface Reader {
  numbers(): ReadonlyMap<string, readonly number[]>;
  close(): void;
}

interface Snapshot {
  readonly topic: string;
  readonly state: Places;
}

const numbersIn = (state: Places): number[] => state.map(([, , data]) => (data as { n: number }).n);

async function native(topic: string): Promise<Reader> {
  const client = await server.connect<ServerMessage>('/ws');
  client.send({ type: 'subscribe', topic, since: 'snapshot' });
  const numbers = (): Map<string, number[]> => {
    const known = new Map<string, number[]>();
    for (const message of client.messages) {
      if (message.type === 'snapshot') known.set(message.topic, numbersIn(message.state as Places));
      if (message.type !== 'event') continue;
      known.set(message.topic, [...(known.get(message.topic) ?? []), (message.data as { n: number }).n]);
    }
    return known;
  };
  return { numbers, close: () => client.close() };
}

async function bare(topic: string): Promise<Reader> {
  const path = `/ws/${topic.replaceAll('.', '/')}?since=snapshot`;
  const client = await server.connect<{ type: string; n: number } & Snapshot>(path);
  const numbers = () => {
    const all = client.messages.flatMap((message) =>
      message.type === 'snapshot' ? numbersIn(message.state) : [message.n],
    );
    return new Map([[topic, all]]);
  };
  return { numbers, close: () => client.close() };
}

async function stream(topic: string): Promise<Reader> {
  const client = await server.stream(`/events?topics=${topic}&since=snapshot&format=full`);
  const numbers = (): Map<string, number[]> => {
    const known = new Map<string, number[]>();
    for (const { event, data } of client.events) {
      const told = JSON.parse(data) as Snapshot & { data: { n: number } };
      if (event === 'snapshot') known.set(told.topic, numbersIn(told.state));
      else known.set(told.topic, [...(known.get(told.topic) ?? []), told.data.n]);
    }
    return known;
  };
  return { numbers, close: () => client.close() };
}

test('[VIEW-1] [VIEW-3] [VIEW-4] [VIEW-5] at every door, whenever a client comes, state and events are all there is', async () => {
  let published = 0;
  const publishing = (async () => {
    for (; published < EVENTS; published++) {
      await Promise.all(TOPICS.map((topic) => server.server.publish(topic, 'x', { n: published + 1 })));
    }
  })();
  const readers: { readonly reader: Reader; readonly topics: readonly string[] }[] = [];
  const come = async (reader: Promise<Reader>, topics: readonly string[]): Promise<void> => {
    readers.push({ reader: await reader, topics });
  };
  for (let n = 0; n < WAVES; n++) {
    await until(() => published > (n * EVENTS) / WAVES, 'more events');
    const topic = TOPICS[n % TOPICS.length] as string;
    const under = (prefix: string) => TOPICS.filter((each) => each.startsWith(prefix));
    await Promise.all([
      come(native(topic), [topic]),
      come(bare(topic), [topic]),
      come(stream(topic), [topic]),
      come(native('*'), TOPICS),
      come(native('held.*'), under('held.')),
      come(stream('quick.*,whole.a'), [...under('quick.'), 'whole.a']),
    ]);
  }
  await publishing;
  const all = Array.from({ length: EVENTS }, (_, index) => index + 1);
  for (const { reader, topics } of readers) {
    for (const topic of topics) {
      await until(() => reader.numbers().get(topic)?.at(-1) === EVENTS, `the end of ${topic}`);
      expect(reader.numbers().get(topic)).toEqual(all);
    }
    reader.close();
  }
}, 60_000);
