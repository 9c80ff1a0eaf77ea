import { describe, expect, test } from 'vitest';
import type { Dialect } from './dialect.ts';
import { HubWorld, PLAIN, type WorldSession } from './fixtures/hub-world.ts';

/** As a client that knows no batches is spoken to. */
const OTHER = {
  ...PLAIN,
  index: 2,
  name: 'other',
  encodeEvent: ({ offset }: Parameters<Dialect['encodeEvent']>[0]) =>
    Buffer.from(`${JSON.stringify({ type: 'other', offset })}\n`),
  batchPayload: () => undefined,
} as Dialect;

const offsets = (session: WorldSession): unknown[] =>
  session.lines
    .splice(0)
    .flatMap(({ type, offset, events }) =>
      events === undefined ? (offset === undefined ? [] : [[type, offset]]) : [['batch', events.length]],
    );

describe('a session that changes its dialect', () => {
  test.each(['a.b', 'a.*'])(
    '[PLAIN-2] gets what was given to it as it was, and each later event of %s once, in the new one',
    async (name) => {
      const world = new HubWorld();
      const session = await world.session();
      const bystander = await world.session();
      for (const each of [session, bystander]) await each.subscribe(name);
      await world.publish('a.b', 1);
      await world.publish('a.b', 2);
      world.hub.changeDialect(session.subscriber, OTHER);
      await world.publish('a.b', 3);
      expect(offsets(session)).toEqual([
        ['event', 1],
        ['event', 2],
        ['other', 3],
      ]);
      expect(offsets(bystander)).toEqual([
        ['event', 1],
        ['event', 2],
        ['event', 3],
      ]);
    },
  );

  test('[PLAIN-2] [BATCH-4] is given the batch that it was gathering, and no more batches', async () => {
    const world = new HubWorld();
    const session = await world.session();
    await session.subscribe('a.b', { batch: { maxEvents: 10, maxDelayMs: 1000 } });
    for (let n = 1; n <= 3; n++) await world.publish('a.b', n);
    world.hub.changeDialect(session.subscriber, OTHER);
    await world.publish('a.b', 4);
    expect(offsets(session)).toEqual([
      ['event', 1],
      ['batch', 2],
      ['other', 4],
    ]);
  });
});
