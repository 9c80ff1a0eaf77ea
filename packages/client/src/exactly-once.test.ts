import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startClient } from '../test/start-client.ts';
import type { Subscription } from './types.ts';

/** What happens to a client, its server and the network between them. */
type Happening =
  | { readonly name: 'append'; readonly topic: number }
  | { readonly name: 'publish' }
  | { readonly name: 'deliver'; readonly limit: number }
  | { readonly name: 'cut' }
  | { readonly name: 'advance'; readonly durationMs: number }
  | { readonly name: 'cursor' }
  | { readonly name: 'message' }
  | { readonly name: 'redeliver' }
  | { readonly name: 'take'; readonly reader: number };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ name: fc.constant('append' as const), topic: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.constant<Happening>({ name: 'publish' }) },
  {
    weight: 6,
    arbitrary: fc.record({ name: fc.constant('deliver' as const), limit: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 2, arbitrary: fc.constant<Happening>({ name: 'cut' }) },
  { weight: 3, arbitrary: fc.record({ name: fc.constant('advance' as const), durationMs: fc.nat(300) }) },
  { weight: 1, arbitrary: fc.constant<Happening>({ name: 'cursor' }) },
  { weight: 4, arbitrary: fc.constant<Happening>({ name: 'message' }) },
  { weight: 1, arbitrary: fc.constant<Happening>({ name: 'redeliver' }) },
  { weight: 4, arbitrary: fc.record({ name: fc.constant('take' as const), reader: fc.nat(1) }) },
);

const INBOX = 'user.ada';
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const topics = ['task.a', 'task.b', 'task.c.d'];

async function live(happenings: readonly Happening[]): Promise<void> {
  const { platform, server, client } = startClient();
  server.append('task.a', 'a0');
  const slow = ['task.*', 'task.a'].map((topic) =>
    client.topic(topic, { since: 'earliest', maxBufferedEvents: 3 }),
  );
  const loops = slow.map((subscription) => subscription[Symbol.asyncIterator]());
  const taken: string[][] = slow.map(() => []);
  const record = (subscription: Subscription): string[] => {
    const seen: string[] = [];
    subscription.on('event', ({ id }) => seen.push(id));
    return seen;
  };
  const readers = ['task.*', 'task.a', 'task.b'].map((topic) =>
    record(client.topic(topic, { since: 'earliest' })),
  );
  const even = ['task.*', 'task.a'].map((topic) => {
    return record(client.topic(topic, { since: 'earliest', filter: { types: 'even' } }));
  });
  const handled: number[] = [];
  const failed = new Set<number>();
  void client.inbox({ maxBufferedMessages: 4 }).handle(async ({ offset }) => {
    await turn();
    // Each third message only the second time.
    if (offset % 3 === 0 && failed.size < failed.add(offset).size) throw new Error('not now');
    handled.push(offset);
  });
  const results: Promise<unknown>[] = [];
  const waiting: (Promise<void> | undefined)[] = slow.map(() => undefined);
  const takeOne = (reader: number): void => {
    waiting[reader] ??= (async () => {
      const { value } = await loops[reader]!.next();
      if (value !== undefined) taken[reader]!.push(value.id);
      waiting[reader] = undefined;
    })();
  };
  for (const [index, what] of happenings.entries()) {
    const kind = { event: index % 2 === 0 ? 'even' : 'odd' };
    if (what.name === 'append') server.append(topics[what.topic]!, index, kind);
    else if (what.name === 'message') server.append(INBOX, index);
    else if (what.name === 'redeliver') server.redeliver(2);
    else if (what.name === 'publish') results.push(client.publish('mine', 'x', results.length));
    else if (what.name === 'deliver') await platform.deliver(what.limit);
    else if (what.name === 'cut') server.cutAll();
    else if (what.name === 'advance') await platform.advance(what.durationMs);
    else if (what.name === 'cursor') server.send({ type: 'position', cursor: server.cursor });
    else takeOne(what.reader);
  }
  const all = server.log.map(({ event }) => event).filter(({ topic }) => topic.startsWith('task.'));
  await platform.advance(30_000);
  const messages = server.eventsOf(INBOX).map(({ offset }) => offset);
  for (let i = 0; i < 2 * messages.length + 2; i++) {
    server.redeliver(2);
    await platform.advance(100);
  }
  for (let i = 0; i < 2 * all.length; i++) {
    takeOne(0);
    takeOne(1);
    await platform.advance(0);
  }
  await Promise.all(results);

  const ids = (pattern: RegExp): string[] =>
    all.filter(({ topic }) => pattern.test(topic)).map(({ id }) => id);
  expect(perTopic(readers[0]!)).toEqual(perTopic(ids(/./)));
  expect(readers[1]).toEqual(ids(/^task\.a$/));
  expect(readers[2]).toEqual(ids(/^task\.b$/));
  const evenIds = all.filter(({ event }) => event === 'even').map(({ id }) => id);
  expect(perTopic(even[0]!)).toEqual(perTopic(evenIds));
  expect(even[1]).toEqual(evenIds.filter((id) => id.startsWith('e1-task.a-')));
  expect([...handled].sort((a, b) => a - b)).toEqual(messages);
  expect(server.acked(INBOX, 'inbox')).toBe(messages.length);
  expect(perTopic(taken[0]!)).toEqual(perTopic(ids(/./)));
  expect(taken[1]).toEqual(ids(/^task\.a$/));
  expect(server.eventsOf('mine').map(({ data }) => data)).toEqual(results.map((_, i) => i));
  client.close();
  expect(platform.pendingTimers).toBe(0);
}

/** Order is promised within a topic. An id of the fake server is `<epoch>-<topic>-<offset>`. */
function perTopic(ids: readonly string[]): Record<string, string[]> {
  const groups: Record<string, string[]> = {};
  for (const id of ids) {
    const topic = id.split('-')[1]!;
    groups[topic] = [...(groups[topic] ?? []), id];
  }
  return groups;
}

test('[REC-1] [EVT-1] [PUB-2] [FILT-2] [ACK-1] whatever the network does, each event arrives once and in order, filtered or not, each publication is stored once and in order, each message is handled once and acknowledged', async () => {
  await fc.assert(fc.asyncProperty(fc.array(happening, { minLength: 1, maxLength: 80 }), live), {
    numRuns: 150,
  });
});
