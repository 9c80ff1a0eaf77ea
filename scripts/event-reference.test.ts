import { builtInFamilies, earlier, eventFamily, eventType, Type } from '@millrace/catalog';
import { describe, expect, test } from 'vitest';
import { eventReference } from './event-reference.ts';

const order = eventFamily({
  name: 'order',
  description: 'Orders.',
  topics: ['orders.*', 'orders'],
  events: [
    eventType({
      name: 'order.shipped',
      description: 'It left the house.',
      data: Type.Object({
        state: Type.Enum(['whole', 'in | parts'], { description: 'How.' }),
        parcels: Type.Array(Type.Object({ weight: Type.Number({ minimum: 0 }) })),
        to: Type.Optional(Type.Union([Type.Object({ city: Type.String() }), Type.Null()])),
        share: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
        notes: Type.Optional(Type.Record(Type.String(), Type.String())),
      }),
      example: { state: 'whole', parcels: [{ weight: 2 }] },
      earlier: [earlier({ data: Type.String(), upcast: () => ({ state: 'whole' as const, parcels: [] }) })],
    }),
  ],
});

describe('the reference of events', () => {
  const page = eventReference([order]);

  test('has the fields of an event, and of what they hold', () => {
    expect(page.split('\n').filter((line) => line.startsWith('| `'))).toEqual([
      '| `state` * | `whole`, `in \\| parts` | How. |',
      '| `parcels` * | list of object |  |',
      '| `parcels[].weight` * | number ≥ 0 |  |',
      '| `to` | object or null |  |',
      '| `to.city` * | string |  |',
      '| `share` | integer 0–100 |  |',
      '| `notes` | object of string |  |',
    ]);
  });

  test('has the topics, an example and the earlier versions', () => {
    expect(page).toContain('Usual on `orders.*`, `orders`.');
    expect(page).toContain('```json\n{\n  "state": "whole",');
    expect(page).toContain('An earlier version, still accepted:');
  });

  test('has every event that comes with Millrace', () => {
    const whole = eventReference(builtInFamilies);
    for (const { name } of builtInFamilies.flatMap(({ events }) => [...events]))
      expect(whole).toContain(`### \`${name}\`\n`);
  });
});
