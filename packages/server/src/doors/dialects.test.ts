import { Unpackr } from 'msgpackr';
import { expect, test } from 'vitest';
import type { StoredEvent } from '../engine/engine.ts';
import { bareDialect, jsonDialect, msgpackDialect, sseDialect, sseFullDialect } from './dialects.ts';

const at = { cursorText: () => 'cursor' };
const all = [jsonDialect, msgpackDialect, bareDialect, sseDialect, sseFullDialect];
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

const event = (offset: number): StoredEvent => ({
  entity: 'default',
  source: undefined,
  key: undefined,
  slot: 'live',
  partition: 0,
  seq: offset,
  topic: 'a.b',
  event: 'x',
  id: `id-${offset}`,
  offset,
  epoch: 'e',
  timestamp: 1_700_000_000_000,
  data: JSON.stringify({ n: offset, text: 'жж' }),
  priority: 'normal',
  sealed: false,
});

test('each dialect has an index and a name of its own', () => {
  expect(new Set(all.map(({ index }) => index)).size).toBe(all.length);
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
});

test.each(all)('[EVT-2] $name: an event is the frame of its payload', (dialect) => {
  expect(dialect.encodeEvent(event(1), at)).toEqual(dialect.frame(dialect.eventPayload(event(1), at)));
});

test.each([1, 10, 15, 16, 100, 70_000])(
  'a batch of %d is the events that were put into it, in order',
  (count) => {
    const events = Array.from({ length: count }, (_, i) => event(i + 1));
    const read = [
      JSON.parse(String(jsonDialect.batchPayload(events.map((each) => jsonDialect.eventPayload(each, at))))),
      unpackr.unpack(
        msgpackDialect.batchPayload(events.map((each) => msgpackDialect.eventPayload(each, at))) as Buffer,
      ),
    ];
    const expected = events.map((each) => JSON.parse(String(jsonDialect.eventPayload(each, at))));
    for (const batch of read) expect(batch).toEqual({ type: 'batch', events: expected });
  },
);

test('[BARE-1] where clients know flat events alone, there is no batch', () => {
  for (const dialect of [bareDialect, sseDialect, sseFullDialect]) {
    expect(dialect.batchPayload([dialect.eventPayload(event(1), at)])).toBeUndefined();
  }
});

test('[ACK-6] an event that is sent again says which delivery it is, where whole events are sent', () => {
  const whole = [
    (attempt?: number) => JSON.parse(String(jsonDialect.eventPayload(event(1), at, attempt))),
    (attempt?: number) => unpackr.unpack(msgpackDialect.eventPayload(event(1), at, attempt) as Buffer),
    (attempt?: number) =>
      JSON.parse(/data: (.*)/.exec(String(sseFullDialect.eventPayload(event(1), at, attempt)))?.[1] ?? ''),
  ];
  for (const read of whole) {
    expect(read()).not.toHaveProperty('attempt');
    expect(read(3)).toEqual({ ...read(), attempt: 3 });
  }
});
