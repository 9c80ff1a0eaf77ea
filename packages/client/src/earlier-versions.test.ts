import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createCatalog,
  type EventFamily,
  type EventsOf,
  earlier,
  eventFamily,
  eventType,
  Type,
  type View,
} from '@millrace/catalog';
import { ApiClient, TestServer, until } from '@millrace/testkit';
import { afterEach, expect, test } from 'vitest';
import { collect } from '../test/start-client.ts';
import { createClient } from './client.ts';
import { globalPlatform } from './platform.ts';
import type { Subscription } from './types.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const described = { name: 'order.shipped', description: 'An order left the house.' } as const;
const First = Type.String();
const Second = Type.Object({ order: Type.String(), parcels: Type.Integer() });
const Newest = Type.Object({ order_id: Type.String(), parcels: Type.Integer(), express: Type.Boolean() });

const fromFirst = earlier({ data: First, upcast: (order) => ({ order, parcels: 1 }) });
const fromSecond = earlier({
  data: Second,
  upcast: ({ order, parcels }) => ({ order_id: order, parcels, express: false }),
});

const family = <const Event extends EventFamily['events'][number]>(event: Event) =>
  eventFamily({ name: 'order', description: 'Orders.', topics: ['orders.*'], events: [event] });

/** The same application at three points of its life. */
const first = family(eventType({ ...described, data: First, example: 'a' }));
const second = family(
  eventType({ ...described, data: Second, example: { order: 'a', parcels: 1 }, earlier: [fromFirst] }),
);
const newest = family(
  eventType({
    ...described,
    data: Newest,
    example: { order_id: 'a', parcels: 1, express: true },
    earlier: [fromSecond, fromFirst],
  }),
);

type Orders = EventsOf<readonly [typeof newest]>;

/** It knows of the newest version alone. */
const parcelsSent: View<{ orders: string[]; parcels: number }> = {
  name: 'parcels',
  version: 1,
  holdsLog: false,
  initial: () => ({ orders: [], parcels: 0 }),
  fold: ({ orders, parcels }, event) => {
    const data = event.data as Orders['order.shipped'];
    return { orders: [...orders, data.order_id], parcels: parcels + data.parcels };
  },
};

async function startServer(directory: string, families: readonly EventFamily[]): Promise<TestServer> {
  const server = await TestServer.start({ directory, families });
  ends.push(() => server.close());
  return server;
}

/** A log whose events were each published to the server of their time. */
async function grownLog(): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-versions-'));
  ends.push(() => rm(directory, { recursive: true }));
  const lives = [
    { families: [first], data: 'a' },
    { families: [second], data: { order: 'b', parcels: 2 } },
    { families: [newest], data: { order_id: 'c', parcels: 3, express: true } },
  ];
  for (const { families, data } of lives) {
    const server = await startServer(directory, families);
    await server.server.publish('orders.1', 'order.shipped', data);
    await server.close();
  }
  return startServer(directory, [{ ...newest, view: parcelsSent }]);
}

const AS_NEWEST = [
  { order_id: 'a', parcels: 1, express: false },
  { order_id: 'b', parcels: 2, express: false },
  { order_id: 'c', parcels: 3, express: true },
];

function dataOf(subscription: Subscription<Orders>): unknown[] {
  const data: unknown[] = [];
  subscription.on('event', (event) => data.push(event.data));
  return data;
}

test.each(['websocket', 'sse'] as const)(
  'over %s an old log reads as the newest version has it',
  async (transport) => {
    const server = await grownLog();
    const client = createClient<Orders>({
      url: server.origin,
      token: () => server.token(),
      transport,
      catalog: createCatalog([newest]),
    });
    ends.push(() => client.close());
    const ofTopic = dataOf(client.topic('orders.1', { since: 'earliest' }));
    const ofPattern = dataOf(client.topic('orders.*', { since: 'earliest' }));
    await until(() => ofTopic.length === 3 && ofPattern.length === 3, 'history');
    expect(ofTopic).toEqual(AS_NEWEST);
    expect(ofPattern).toEqual(AS_NEWEST);
    // Who has not been updated yet goes on publishing.
    await server.server.publish('orders.1', 'order.shipped', 'd');
    await until(() => ofTopic.length === 4, 'the live event');
    expect(ofTopic[3]).toEqual({ order_id: 'd', parcels: 1, express: false });
  },
);

test('[VIEW-6] a view is given what happened as the newest version has it', async () => {
  const server = await grownLog();
  const api = new ApiClient(server.origin, await server.token());
  const { body } = await api.get('/api/v1/topics/orders.1/snapshot');
  expect(body).toMatchObject({ view: 'parcels', state: { orders: ['a', 'b', 'c'], parcels: 6 } });
});

test('[PUB-8] the log keeps what was sent, and gives it to whoever has no catalog', async () => {
  const server = await grownLog();
  const client = createClient({ url: server.origin, token: () => server.token() });
  ends.push(() => client.close());
  const asSent = collect(client.topic('orders.1', { since: 'earliest' }));
  await until(() => asSent.length === 3, 'history');
  expect(asSent).toEqual(['a', { order: 'b', parcels: 2 }, { order_id: 'c', parcels: 3, express: true }]);
});

test('the messages of an inbox are read in the same way', async () => {
  const server = await TestServer.start({ families: [newest] });
  ends.push(() => server.close());
  const client = createClient<Orders>({
    url: server.origin,
    token: () => server.token({ sub: 'ann' }),
    catalog: createCatalog([newest]),
  });
  ends.push(() => client.close());
  const inbox: unknown[] = [];
  client.inbox().on('message', (message) => inbox.push(message.data));
  await server.server.publish('user.ann', 'order.shipped', 'a');
  await until(() => inbox.length === 1, 'the message');
  expect(inbox).toEqual([AS_NEWEST[0]]);
});

test('an event that its upcaster cannot read comes as it was sent, and the fault is told', async () => {
  const broken = family(
    eventType({
      ...described,
      data: Newest,
      example: { order_id: 'a', parcels: 1, express: true },
      earlier: [
        earlier({
          data: First,
          upcast: () => {
            throw new Error('no such order');
          },
        }),
      ],
    }),
  );
  const server = await TestServer.start({ families: [broken] });
  ends.push(() => server.close());
  await server.server.publish('orders.1', 'order.shipped', 'a');
  const uncaught: unknown[] = [];
  const client = createClient({
    url: server.origin,
    token: () => server.token(),
    catalog: createCatalog([broken]),
    platform: {
      ...globalPlatform,
      after: (ms, then) => globalPlatform.after(ms, () => told(then, uncaught)),
    },
  });
  ends.push(() => client.close());
  const events = collect(client.topic('orders.1', { since: 'earliest' }));
  await until(() => events.length === 1 && uncaught.length === 1, 'the event and the fault');
  expect(events).toEqual(['a']);
  expect(uncaught).toEqual([expect.objectContaining({ message: 'no such order' })]);
});

function told(then: () => void, uncaught: unknown[]): void {
  try {
    then();
  } catch (error) {
    uncaught.push(error);
  }
}
