import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { View } from '@millrace/catalog';
import { until } from '@millrace/testkit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ReadFrom } from '../engine/engine.ts';
import { createSqliteEngine } from '../engine/sqlite-engine.ts';
import { ENTITY } from '../hub/fixtures/hub-world.ts';
import { familyOf, type Places, placesView, ViewsWorld } from './fixtures/views-world.ts';

let directory: string;
let world: ViewsWorld;
/** Where each read of a topic's log began. */
let reads: ReadFrom[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-views-'));
});

afterEach(async () => {
  await world.close();
  await rm(directory, { recursive: true, force: true });
});

async function start(view: View<Places>, retention = {}): Promise<void> {
  reads = [];
  world = await ViewsWorld.open({
    families: [familyOf(['n.*'], view)],
    retention,
    createEngine: (parts) => createSqliteEngine({ ...parts, directory, synchronous: 'off' }),
    wrap: (engine) =>
      new Proxy(engine, {
        get: (target, name) => {
          const member: unknown = Reflect.get(target, name);
          if (typeof member !== 'function') return member;
          return (...args: unknown[]): unknown => {
            if (name === 'read' && args[0] === ENTITY) reads.push(args[2] as ReadFrom);
            return member.apply(target, args);
          };
        },
      }),
  });
}

async function restart(view: View<Places>, retention = {}): Promise<void> {
  await world.close();
  await start(view, retention);
}

async function fill(count: number): Promise<void> {
  for (let done = 0; done < count; done += 500)
    await world.append('n.a', ...Array.from({ length: 500 }, () => 1));
}

const stateOf = async (): Promise<Places> => {
  const snapshot = await world.views.ofTopic(ENTITY, 'n.a');
  return JSON.parse(snapshot.state) as Places;
};

test('after a restart only what follows the stored state is read', async () => {
  await start(placesView());
  await fill(5000);
  await stateOf();
  await until(() => world.views.counters.storedStates === 1, 'the state to be stored');
  await world.append('n.a', 'new');
  await restart(placesView());
  const state = await stateOf();
  expect(state.map(([, offset]) => offset)).toEqual(Array.from({ length: 5001 }, (_, i) => i + 1));
  expect(reads).toEqual([{ after: expect.objectContaining({ offset: 5000 }), id: expect.any(String) }]);
  expect(world.views.counters.foldedEvents).toBe(1);
});

test('the state of another version of the view is not used', async () => {
  await start(placesView());
  await fill(2000);
  await stateOf();
  await until(() => world.views.counters.storedStates === 1, 'the state to be stored');
  await restart(placesView({ version: 2 }));
  expect(await stateOf()).toHaveLength(2000);
  expect(reads[0]).toEqual({ earliest: true });
});

test('what retention took is in the stored state of a view that holds its log', async () => {
  const held = placesView({ holdsLog: true });
  const retention = { maxEvents: 100 };
  await start(held, retention);
  for (let round = 0; round < 6; round++) {
    await fill(500);
    world.clock.advance(200);
    await until(async () => {
      world.clock.advance(200);
      // The clock goes no faster than the disk: a log is not held for as long as one likes.
      await world.append('other', 1);
      return ((await world.engine.head(ENTITY, 'n.a'))?.firstOffset ?? 0) > 500 * (round + 1) - 101;
    }, 'trimming');
  }
  await restart(held, retention);
  const state = await stateOf();
  expect(state.map(([, offset]) => offset)).toEqual(Array.from({ length: 3000 }, (_, i) => i + 1));
  expect(world.views.counters.foldedEvents).toBeLessThan(600);
  expect(world.errors).toEqual([]);
});
