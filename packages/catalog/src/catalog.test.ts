import type { MillraceEvent } from '@millrace/protocol';
import Type from 'typebox';
import { describe, expect, test } from 'vitest';
import { createCatalog, upcastEvent } from './catalog.ts';
import { eventFamily } from './event-family.ts';
import { earlier, eventType } from './event-type.ts';
import { builtInFamilies } from './families/index.ts';

const catalog = createCatalog(builtInFamilies);
const types = builtInFamilies.flatMap(({ events }) => [...events]);

describe('the families that come with Millrace', () => {
  test.each(types.map((type) => [type.name, type] as const))(
    'the example of %s meets its schema',
    (name, type) => {
      expect(catalog.check(name, type.example)).toBeUndefined();
      expect(type.description).not.toBe('');
    },
  );
});

const order = eventFamily({
  name: 'order',
  description: 'Orders.',
  topics: ['orders.*'],
  events: [
    eventType({
      name: 'order.shipped',
      description: 'Shipped.',
      data: Type.Object({ order_id: Type.String(), parcels: Type.Integer({ minimum: 1 }) }),
      example: { order_id: '7', parcels: 1 },
      earlier: [
        earlier({
          data: Type.Object({ order: Type.String(), parcels: Type.Integer() }),
          upcast: ({ order, parcels }) => ({ order_id: order, parcels }),
        }),
        earlier({ data: Type.String(), upcast: (order) => ({ order, parcels: 1 }) }),
      ],
    }),
  ],
});
const orders = createCatalog([order]);

describe('a catalog', () => {
  test('names what is wrong and where', () => {
    expect(orders.check('order.shipped', { order_id: '7', parcels: 0 })).toEqual({
      path: '/parcels',
      problem: 'must be >= 1',
    });
    expect(orders.check('order.shipped', { parcels: 1 })).toMatchObject({ path: '/order_id' });
    expect(orders.check('order.lost', {})).toBeUndefined();
  });

  test('takes what meets an earlier version, and reads it as the newest', () => {
    expect(orders.check('order.shipped', '7')).toBeUndefined();
    expect(orders.upcast('order.shipped', '7')).toEqual({ order_id: '7', parcels: 1 });
    expect(orders.upcast('order.shipped', { order: '7', parcels: 2 })).toEqual({ order_id: '7', parcels: 2 });
    const current = { order_id: '7', parcels: 2 };
    expect(orders.upcast('order.shipped', current)).toBe(current);
  });

  test('an event that needs no change stays the same object', () => {
    const event = { event: 'x', data: 1 } as MillraceEvent;
    expect(upcastEvent(orders, event)).toBe(event);
  });

  test('refuses a name that is declared twice', () => {
    expect(() => createCatalog([order, order])).toThrow('the event order.shipped is declared twice');
    expect(() => createCatalog([order, { ...order, events: [] }])).toThrow(
      'the family order is declared twice',
    );
  });

  test('reads an earlier version as nothing, where that is what it is now', () => {
    const gone = eventType({
      name: 'order.gone',
      description: 'It is gone.',
      data: Type.Null(),
      example: null,
      earlier: [earlier({ data: Type.Object({ why: Type.String() }), upcast: () => null })],
    });
    expect(createCatalog([{ ...order, events: [gone] }]).upcast('order.gone', { why: 'x' })).toBeNull();
  });
});
