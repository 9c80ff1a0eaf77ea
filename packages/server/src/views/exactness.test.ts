import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { type EngineCursor, parseCursor } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Engine } from '../engine/engine.ts';
import { createSqliteEngine } from '../engine/sqlite-engine.ts';
import { ENTITY, type Line } from '../hub/fixtures/hub-world.ts';
import {
  familyOf,
  type Places,
  placesView,
  ViewsWorld,
  type ViewsWorldOptions,
  type WorldClient,
} from './fixtures/views-world.ts';

/** Topics below `held` have a view that holds their log. */
const TOPICS = ['held.a', 'held.b', 'free.a', 'free.b'] as const;
const NAMES = [...TOPICS, 'held.*', 'free.*', '*'] as const;
type Topic = (typeof TOPICS)[number];

type Step =
  | { readonly kind: 'publish'; readonly topics: readonly Topic[] }
  | { readonly kind: 'subscribe'; readonly name: (typeof NAMES)[number] }
  | { readonly kind: 'ask'; readonly topic: Topic }
  | { readonly kind: 'delete'; readonly topic: Topic }
  | { readonly kind: 'trim'; readonly topic: Topic; readonly keep: number }
  | { readonly kind: 'turns'; readonly count: number };

const topic = fc.constantFrom(...TOPICS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      topics: fc.array(topic, { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('subscribe' as const), name: fc.constantFrom(...NAMES) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('ask' as const), topic }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), topic }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('trim' as const), topic, keep: fc.integer({ min: 0, max: 3 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 6 }) }),
  },
);

/** Every answer takes its time, in turns, as the script has it: that is what makes appends come in between. */
function slowReads(delays: readonly number[]): (engine: Engine) => Engine {
  let next = 0;
  const late = async <T>(answer: Promise<T>): Promise<T> => {
    for (let left = delays[next++ % delays.length] ?? 0; left > 0; left--) await turn();
    const value = await answer;
    for (let left = delays[next++ % delays.length] ?? 0; left > 0; left--) await turn();
    return value;
  };
  return (engine) =>
    new Proxy(engine, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        if (!['read', 'readSince', 'topics', 'head', 'cursor'].includes(String(name)))
          return member.bind(target);
        return (...args: unknown[]) => late(member.apply(target, args) as Promise<unknown>);
      },
    });
}

/** What was stored, by topic and epoch: the seq of each event. */
class Log {
  readonly seqs = new Map<string, number>();
  readonly heads = new Map<string, { epoch: string; offset: number }>();

  add(name: string, { epoch, offset }: { epoch: string; offset: number }, seq: number): void {
    this.seqs.set(`${name} ${epoch}:${offset}`, seq);
    this.heads.set(name, { epoch, offset });
  }

  seq(name: string, epoch: string, offset: number): number | undefined {
    return this.seqs.get(`${name} ${epoch}:${offset}`);
  }
}

/**
 * What is wrong with what a client was given of one topic, whose head it has to reach. Of a topic that is being deleted there
 * may be no snapshot any more, and yet its last events.
 */
function faultsOf(lines: readonly Line[], name: string, log: Log, wasDeleted: boolean): string[] {
  const faults: string[] = [];
  const [first, ...events] = lines;
  if (first === undefined) return log.heads.has(name) ? [`${name}: nothing came`] : [];
  let [epoch, offset] = [first.epoch as string, first.offset as number];
  if (first.type === 'snapshot') {
    const state = first.state as Places;
    for (const [index, [e, o]] of state.entries()) {
      const before = state[index - 1];
      if (e !== epoch || (before !== undefined && o !== before[1] + 1))
        faults.push(`${name}: a hole in the state`);
    }
    const last = state.at(-1);
    if (last !== undefined && last[1] !== offset)
      faults.push(`${name}: the state ends at ${last[1]}, not ${offset}`);
    if (name.startsWith('held') && !wasDeleted && state.length !== offset)
      faults.push(`${name}: ${state.length} of ${offset} events are in the state`);
  } else if (offset !== 1 && !wasDeleted) faults.push(`${name}: begins with ${offset}, without a snapshot`);
  for (const event of events) {
    if (event.type !== 'event') faults.push(`${name}: a second ${event.type}`);
    const follows = event.epoch === epoch ? event.offset === offset + 1 : event.offset === 1;
    if (!follows) faults.push(`${name}: ${event.epoch}:${event.offset} after ${epoch}:${offset}`);
    [epoch, offset] = [event.epoch as string, event.offset as number];
  }
  const head = log.heads.get(name);
  if (head !== undefined && (head.epoch !== epoch || head.offset !== offset))
    faults.push(`${name}: ends at ${epoch}:${offset}, not ${head.epoch}:${head.offset}`);
  return faults;
}

/** Every snapshot of a pattern has exactly what its cursor covers. */
function cursorFaults({ lines }: WorldClient, log: Log): string[] {
  const place = lines.find(({ type }) => type === 'place')?.place as string | undefined;
  const cursor = parseCursor(place ?? '');
  const { seqs = [] } = (cursor?.live ?? cursor?.durable ?? {}) as Partial<EngineCursor>;
  const [upTo] = seqs;
  if (upTo === undefined) return [];
  return lines
    .filter(({ type }) => type === 'snapshot')
    .flatMap(({ topic = '', epoch, offset = 0 }) => {
      const last = log.seq(topic, epoch as string, offset) ?? 0;
      const next = log.seq(topic, epoch as string, offset + 1) ?? Number.POSITIVE_INFINITY;
      return last <= upTo && upTo < next ? [] : [`${topic}: ${offset} is not what seq ${upTo} covers`];
    });
}

async function run(
  script: readonly Step[],
  delays: readonly number[],
  options: ViewsWorldOptions,
): Promise<string[]> {
  const world = await ViewsWorld.open({
    families: [familyOf(['held.*'], placesView({ holdsLog: true })), familyOf(['free.*'], placesView())],
    ...options,
    wrap: slowReads(delays),
  });
  const log = new Log();
  const clients: { client: WorldClient; name: string }[] = [];
  const pending: Promise<unknown>[] = [];
  const deleted = new Set<string>();
  const publish = async (topics: readonly Topic[]): Promise<void> => {
    const requests = topics.map((each) => ({ entity: ENTITY, topic: each, event: 'x', data: '1' }));
    const results = await world.engine.append(requests);
    for (const [index, result] of results.entries()) {
      if (result.status !== 'stored') throw new Error(result.status);
      log.add(topics[index] as string, result.position, result.seq);
    }
  };
  for (const each of script) {
    switch (each.kind) {
      case 'publish':
        pending.push(publish(each.topics));
        break;
      case 'subscribe': {
        const client = await world.session();
        clients.push({ client, name: each.name });
        pending.push(client.subscribe(each.name));
        break;
      }
      case 'ask':
        pending.push(world.views.ofTopic(ENTITY, each.topic));
        break;
      case 'delete':
        deleted.add(each.topic);
        pending.push(world.hub.deleteTopic(ENTITY, each.topic));
        break;
      case 'trim':
        if (each.topic.startsWith('held')) world.clock.advance(200);
        else {
          const { position } = (await world.engine.head(ENTITY, each.topic)) ?? {};
          if (position !== undefined)
            pending.push(world.engine.trim(ENTITY, each.topic, position.offset - each.keep));
        }
        break;
      case 'turns':
        await world.settle(each.count);
        break;
    }
  }
  await Promise.all(pending);
  // One more of each, so that a lost tail shows.
  await publish(TOPICS);
  await world.settle(60);
  world.clock.advance(2000);
  await world.settle(60);
  // Trimming that overtakes what follows a snapshot is told ([REC-8]).
  const told = clients.filter(({ client }) => !client.lines.some(({ type }) => type === 'dropped'));
  const faults = told.flatMap(({ client, name }) => {
    const names = TOPICS.filter(
      (each) => name === '*' || each === name || name === `${each.split('.')[0]}.*`,
    );
    return [
      ...cursorFaults(client, log),
      ...names.flatMap((each) => faultsOf(client.of(each), each, log, deleted.has(each))),
    ];
  });
  faults.push(...world.errors.map(String));
  await world.close();
  return faults;
}

const scripts = fc.array(step, { minLength: 5, maxLength: 60 });
const delays = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 10 });

describe('a snapshot and the events after it are all events, whatever happens meanwhile', () => {
  test('[VIEW-1] [VIEW-3] [VIEW-7] over the memory engine', async () => {
    const setting = fc.record({
      maxRecentBytes: fc.constantFrom(1, 150, 400, 1000, 1_000_000),
      maxCacheBytes: fc.constantFrom(1, 5000, 1_000_000),
      retention: fc.constantFrom({}, { maxEvents: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(scripts, delays, setting, async (script, late, options) => {
        expect(await run(script, late, options)).toEqual([]);
      }),
      { numRuns: 150 },
    );
  }, 120_000);

  test('[VIEW-1] [VIEW-3] [VIEW-7] over the SQLite engine', async () => {
    await fc.assert(
      fc.asyncProperty(scripts, delays, async (script, late) => {
        const directory = await mkdtemp(join(tmpdir(), 'millrace-views-'));
        const createEngine: NonNullable<ViewsWorldOptions['createEngine']> = (parts) =>
          createSqliteEngine({ ...parts, directory, synchronous: 'off' });
        try {
          expect(
            await run(script, late, { createEngine, retention: { maxEvents: 4 }, maxRecentBytes: 1000 }),
          ).toEqual([]);
        } finally {
          await rm(directory, { recursive: true, force: true });
        }
      }),
      { numRuns: 15 },
    );
  }, 120_000);
});
