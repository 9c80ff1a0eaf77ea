import { type Client, createClient, type EventOf } from '@millrace/client';
import type { ControlEvents } from '@millrace/protocol';
import { defineConfig } from '@millrace/server/config';
import { describe, expectTypeOf, test } from 'vitest';
import {
  builtInFamilies,
  type EventsOf,
  earlier,
  eventFamily,
  eventType,
  type MillraceEvents,
  Type,
} from './index.ts';

/*
 * What the compiler says; it says it in `tsc -b`, where a line that should have been an error and is none fails. Nothing
 * here runs.
 */

const shipped = eventType({
  name: 'order.shipped',
  description: 'An order left the house.',
  data: Type.Object({
    order_id: Type.String(),
    parcels: Type.Integer({ minimum: 1 }),
    note: Type.Optional(Type.String()),
  }),
  example: { order_id: '17', parcels: 2 },
});
const lost = eventType({
  name: 'order.lost',
  description: 'Nobody knows where it is.',
  data: Type.Object({ order_id: Type.String(), last_seen: Type.Union([Type.String(), Type.Null()]) }),
  example: { order_id: '17', last_seen: null },
});
const orders = eventFamily({
  name: 'order',
  description: 'Orders.',
  topics: ['orders.*'],
  events: [shipped, lost],
});
const opened = eventFamily({
  name: 'locker',
  description: 'Lockers.',
  topics: ['lockers.*'],
  events: [eventType({ name: 'locker.opened', description: 'It opened.', data: Type.Null(), example: null })],
});

const families = [orders, opened] as const;
type Events = EventsOf<typeof families>;

describe('the types of events', () => {
  test('are those of their schemas, by name', () => {
    expectTypeOf<Events>().toEqualTypeOf<{
      'order.shipped': { order_id: string; parcels: number; note?: string };
      'order.lost': { order_id: string; last_seen: string | null };
      'locker.opened': null;
    }>();
  });

  test('join those that come with Millrace', () => {
    const all = [...families, ...builtInFamilies] as const;
    type All = EventsOf<typeof all>;
    expectTypeOf<All['order.lost']>().toEqualTypeOf<Events['order.lost']>();
    expectTypeOf<All['task.progress']>().toEqualTypeOf<MillraceEvents['task.progress']>();
    expectTypeOf<keyof MillraceEvents>().not.toEqualTypeOf<string>();
  });

  test('of task.progress are those of the contract', () => {
    const progress: MillraceEvents['task.progress'] = { task_id: '7', progress: 40, message: 'm' };
    expectTypeOf(progress.progress).toEqualTypeOf<number>();
    expectTypeOf(progress.eta_seconds).toEqualTypeOf<number | undefined>();
    // @ts-expect-error `message` is missing
    const unsaid: MillraceEvents['task.progress'] = { task_id: '7', progress: 40 };
    // @ts-expect-error text instead of a number
    const text: MillraceEvents['task.progress'] = { task_id: '7', progress: '40', message: 'm' };
    expectTypeOf([unsaid, text]).toBeArray();
  });
});

test('what is said on control topics is what the protocol says of it', () => {
  expectTypeOf<Pick<MillraceEvents, keyof ControlEvents>>().toExtend<ControlEvents>();
  expectTypeOf<ControlEvents>().toExtend<Pick<MillraceEvents, keyof ControlEvents>>();
});

describe('a client of a catalog', () => {
  test('publishes what the server would not refuse, as far as types can say', () => {
    const publish = (client: Client<Events>): void => {
      void client.publish('orders.17', 'order.shipped', { order_id: '17', parcels: 2 });
      // @ts-expect-error a missing field
      void client.publish('orders.17', 'order.shipped', { order_id: '17' });
      // @ts-expect-error a field of another type
      void client.publish('orders.17', 'order.shipped', { order_id: 17, parcels: 2 });
      // @ts-expect-error the data of another event
      void client.publish('orders.17', 'order.lost', { order_id: '17', parcels: 2 });
      // @ts-expect-error a name that is not declared
      void client.publish('orders.17', 'order.shiped', { order_id: '17', parcels: 2 });
    };
    expectTypeOf(publish).parameter(0).toEqualTypeOf<Client<Events>>();
    expectTypeOf(createClient<Events>).returns.toEqualTypeOf<Client<Events>>();
    type All = Events & MillraceEvents;
    const publishAny = (client: Client<All>): void => {
      void client.publish('orders.17', 'order.shipped', { order_id: '17', parcels: 2 });
      void client.publish('task.a', 'task.progress', { task_id: 'a', progress: 1, message: 'm' });
      // @ts-expect-error a missing field
      void client.publish('task.a', 'task.progress', { task_id: 'a', progress: 1 });
    };
    expectTypeOf(publishAny).toBeFunction();
  });

  test('tells its events apart by their names', () => {
    const read = (event: EventOf<Events>): string | number | null => {
      switch (event.event) {
        case 'order.shipped':
          return event.data.parcels;
        case 'order.lost':
          return event.data.last_seen;
        case 'locker.opened':
          return event.data;
      }
    };
    expectTypeOf(read).parameter(0).toHaveProperty('offset');
  });
});

describe('a declaration', () => {
  test('has an example that meets its schema', () => {
    const declare = () =>
      eventType({
        name: 'order.found',
        description: 'It is back.',
        data: Type.Object({ order_id: Type.String() }),
        // @ts-expect-error a number where the schema has text
        example: { order_id: 17 },
      });
    expectTypeOf(declare).toBeFunction();
  });

  test('has no keys that mean nothing', () => {
    const declare = () =>
      // @ts-expect-error `topic` instead of `topics`
      eventFamily({ name: 'order', description: 'Orders.', topic: ['orders.*'], events: [lost] });
    expectTypeOf(declare).toBeFunction();
  });

  test('reads earlier data by the types of its schema', () => {
    const declare = () =>
      earlier({
        data: Type.Object({ order: Type.String() }),
        // @ts-expect-error the earlier version had no `order_id`
        upcast: ({ order_id }) => ({ order_id, last_seen: null }),
      });
    expectTypeOf(declare).toBeFunction();
  });

  test('turns its newest earlier version into what it is now', () => {
    const declare = () =>
      eventType({
        name: 'order.found',
        description: 'It is back.',
        data: Type.Object({ order_id: Type.String() }),
        example: { order_id: '17' },
        earlier: [
          // @ts-expect-error `order` instead of `order_id`
          earlier({ data: Type.String(), upcast: (order) => ({ order }) }),
        ],
      });
    expectTypeOf(declare).toBeFunction();
  });

  test('may stand in a configuration', () => {
    expectTypeOf(defineConfig({ families })).toHaveProperty('families');
    const declare = () =>
      // @ts-expect-error an event is no family
      defineConfig({ families: [lost] });
    expectTypeOf(declare).toBeFunction();
  });
});
