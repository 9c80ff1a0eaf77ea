import { setImmediate as settled } from 'node:timers/promises';
import {
  type Cursor,
  formatCursor,
  matchesPattern,
  parseCursor,
  parsePosition,
  type ServerMessage,
} from '@millrace/protocol';
import { ManualClock, NotificationBus } from '@millrace/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Engine, Retention, StoredEvent } from '../engine/engine.ts';
import { createEnginePair } from '../engine/engine-pair.ts';
import type { CommittedBatch } from '../engine/ledger.ts';
import { createMemoryEngine } from '../engine/memory-engine.ts';
import type { CursorSource, Dialect } from './dialect.ts';
import { NO_SNAPSHOTS } from './fixtures/hub-world.ts';
import { Hub } from './hub.ts';
import type { Start } from './opening.ts';
import { selectionOf } from './selection.ts';
import type { Subscriber } from './subscriber.ts';

/*
 * The real hub over two real memory engines, with everything that happens by itself (turns, notifications, answers of
 * the log, answers of clients) happening one by one, in an order that fast-check chooses and shrinks.
 */

const ENTITY = 'e';
const TOPICS = ['d.a', 'd.b', 'd.c', 'l.a', 'l.b'];
/** Names that never select the same topic, so that a session may have several. */
const NAMES = [['d.a'], ['d.*'], ['l.*'], ['*'], ['d.a', 'd.b', 'l.*'], ['l.a', 'd.*'], ['d.c']];
const MAX_IN_FLIGHT = 900;
const RUNS = Number(process.env.MILLRACE_SIMULATION_RUNS ?? 300);

interface Line {
  readonly message?: ServerMessage;
  readonly topic?: string;
  readonly epoch?: string;
  readonly offset?: number;
  readonly cursor?: string;
}

function dialect(index: number, carriesCursor: boolean): Dialect {
  const line = (value: Line): string => `${JSON.stringify(value)}\n`;
  const eventPayload = (event: StoredEvent, at: CursorSource): string =>
    line({
      topic: event.topic,
      epoch: event.epoch,
      offset: event.offset,
      ...(carriesCursor && { cursor: at.cursorText() }),
    });
  return {
    index,
    name: `lines-${index}`,
    carriesCursor,
    encodeEvent: (event, at) => Buffer.from(eventPayload(event, at)),
    encodeMessage: (message) => Buffer.from(line({ message })),
    encodeSnapshot: ({ state }) => Buffer.from(state),
    encodePlace: () => undefined,
    eventPayload,
    batchPayload: (events) => events.join(''),
    frame: (payload) => Buffer.from(payload as string),
  };
}

const DIALECTS = [dialect(0, false), dialect(1, true)];

interface Followed {
  readonly name: string;
  /** What it began after. */
  start: { cursor: Cursor } | { offset: number } | undefined;
  /** Where to go on from. */
  since: string | undefined;
  resumed: boolean;
  /** For each answer that is due: where it was to begin, and by topic how many had come by then. */
  readonly asked: { since: string | undefined; had: Map<string, number> }[];
  /** By topic, every offset in the order it came. */
  readonly received: Map<string, number[]>;
}

interface WorldOptions {
  readonly retention?: Retention;
  /** When the durable engine can be followed; at once when missing. */
  readonly durableJoins?: Promise<void>;
  /** Memory for recent events; what it does not hold is read from the log. */
  readonly maxRecentBytes?: number;
}

class World {
  readonly log: { topic: string; offset: number; slot: 'live' | 'durable'; seq: number }[] = [];
  readonly clock = new ManualClock();
  readonly turns: (() => void)[] = [];
  readonly buses = [new NotificationBus<CommittedBatch>(), new NotificationBus<CommittedBatch>()];
  readonly reads: (() => void)[] = [];
  readonly hub: Hub;
  readonly #engine: Engine;

  constructor({ retention = {}, durableJoins, maxRecentBytes = 1000 }: WorldOptions = {}) {
    const { clock } = this;
    const turns = { soon: (task: () => void) => void this.turns.push(task) };
    const onError = (error: unknown) => {
      throw error;
    };
    const engineOf = (slot: 'live' | 'durable', bus: NotificationBus<CommittedBatch>) =>
      createMemoryEngine({ clock, turns, slot, bus: bus.relay, retention: () => retention, onError });
    const [liveBus, durableBus] = this.buses as [
      NotificationBus<CommittedBatch>,
      NotificationBus<CommittedBatch>,
    ];
    const live = engineOf('live', liveBus);
    const durable = engineOf('durable', durableBus);
    if (durableJoins !== undefined) {
      const follow = durable.follow.bind(durable);
      durable.follow = async (...args) => {
        await durableJoins;
        return follow(...args);
      };
    }
    const pair = createEnginePair({
      live,
      durable,
      slotOf: (topic) => (topic.startsWith('l.') ? 'live' : 'durable'),
    });
    this.#engine = pair;
    this.hub = new Hub({
      engine: this.#gated(pair),
      clock,
      turns,
      maxBytesInFlight: MAX_IN_FLIGHT,
      maxRecentBytes,
      maxAgeMs: () => undefined,
      queueBounds: { maxEvents: 5, maxBytes: 1000 },
      deliveryOf: () => ({ slow: 'catchup', flushWindowMs: 0 }),
      snapshots: NO_SNAPSHOTS,
      onError,
    });
  }

  /** The same engine, whose answers to readers arrive when the simulation lets them. */
  #gated(engine: Engine): Engine {
    const gate = <T>(answer: Promise<T>): Promise<T> =>
      new Promise<T>((resolve, reject) => {
        this.reads.push(() => void answer.then(resolve, reject));
      });
    return new Proxy(engine, {
      get: (target, name) => {
        if (name === 'read') return (...args: Parameters<Engine['read']>) => gate(target.read(...args));
        if (name === 'readSince')
          return (...args: Parameters<Engine['readSince']>) => gate(target.readSince(...args));
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  }

  async publish(topic: string, count: number): Promise<void> {
    const results = await this.#engine.append(
      Array.from({ length: count }, () => ({ entity: ENTITY, topic, event: 'x', data: '"some data"' })),
    );
    for (const result of results) {
      if (result.status !== 'stored') throw new Error(result.status);
      const slot = topic.startsWith('l.') ? 'live' : 'durable';
      this.log.push({ topic, offset: result.position.offset, slot, seq: result.seq });
    }
  }

  async delete(topic: string): Promise<void> {
    await this.#engine.delete(ENTITY, topic);
  }

  async cursor(): Promise<string> {
    return formatCursor(await this.#engine.cursor(ENTITY));
  }

  /** Lets everything happen until nothing is left to happen. */
  async finish(clients: readonly Client[]): Promise<void> {
    for (const bus of this.buses) bus.release();
    await this.run(clients);
  }

  async run(clients: readonly Client[]): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      const busy =
        this.turns.length > 0 || this.reads.length > 0 || clients.some((client) => client.inFlight > 0);
      for (const client of clients) client.answer();
      this.turns.shift()?.();
      this.reads.shift()?.();
      await settled();
      quiet = busy ? 0 : quiet + 1;
    }
  }
}

class Client {
  readonly dialect: Dialect;
  readonly followed: Followed[];
  readonly problems: string[] = [];
  /** Every event line, as it came. */
  readonly lines: string[] = [];
  lags = 0;
  inFlight = 0;
  stalled = false;
  #subscriber: Subscriber | undefined;
  #incarnation = 0;
  #control: Promise<void> = Promise.resolve();
  readonly #world: World;

  constructor(world: World, dialect: Dialect, names: readonly string[]) {
    this.#world = world;
    this.dialect = dialect;
    this.followed = names.map((name) => ({
      name,
      start: undefined,
      since: undefined,
      resumed: false,
      asked: [],
      received: new Map(),
    }));
  }

  async connect(): Promise<void> {
    const incarnation = ++this.#incarnation;
    this.inFlight = 0;
    this.#control = Promise.resolve();
    for (const { asked } of this.followed) asked.length = 0;
    const write = (frames: Buffer): void => {
      if (incarnation !== this.#incarnation) {
        this.problems.push('written to after its end');
        return;
      }
      if (this.stalled) this.inFlight += frames.length;
      for (const text of frames.toString().split('\n')) if (text !== '') this.#take(JSON.parse(text) as Line);
    };
    const inFlight = () => this.inFlight;
    const sink = {
      write,
      get bytesInFlight() {
        return inFlight();
      },
      confirm: () => {},
    };
    const end = (code: string) => void this.problems.push(`ended: ${code}`);
    const { dialect } = this;
    const subscriber = await this.#world.hub.attach(ENTITY, { dialect, sink, direct: [], end });
    this.#subscriber = subscriber;
    for (const each of this.followed) this.#subscribe(subscriber, each);
  }

  cut(): void {
    if (this.#subscriber !== undefined) this.#world.hub.detach(this.#subscriber);
    this.#subscriber = undefined;
    this.#incarnation++;
  }

  answer(): void {
    this.stalled = false;
    this.inFlight = 0;
    this.#subscriber?.relieved();
  }

  resubscribe(index: number): void {
    const followed = this.followed[index % this.followed.length];
    if (this.#subscriber !== undefined && followed?.since !== undefined)
      this.#subscribe(this.#subscriber, followed);
  }

  /** What is missing or too much, when everything has happened. */
  verdict(): string[] {
    const problems = [...this.problems];
    for (const { name, start, received } of this.followed) {
      if (start === undefined) {
        problems.push(`${name}: never subscribed`);
        continue;
      }
      for (const topic of TOPICS.filter((each) => matchesPattern(name, each))) {
        const expected = this.#world.log
          .filter((event) => event.topic === topic)
          .filter(({ offset, slot, seq }) =>
            'offset' in start ? offset > start.offset : seq > (start.cursor[slot]?.seqs[0] ?? 0),
          )
          .map(({ offset }) => offset);
        const overlapped = this.followed.filter((each) => matchesPattern(each.name, topic)).length > 1;
        const all = received.get(topic) ?? [];
        // Subscriptions that overlap may each replay what the other brought: nothing must be missing.
        const got = overlapped ? expected.filter((offset) => all.includes(offset)) : all;
        if (got.join() !== expected.join()) {
          problems.push(`${name}, ${topic}: expected [${expected}], received [${got}]`);
        }
      }
    }
    return problems;
  }

  /** One after the other, as a session does it. */
  #subscribe(subscriber: Subscriber, followed: Followed): void {
    this.#control = this.#control.then(async () => {
      if (subscriber.closed) return;
      const { name, since, received } = followed;
      followed.resumed ||= since !== undefined;
      // What is on its way still belongs to the subscription before, and comes again.
      const had = new Map([...received].map(([topic, offsets]) => [topic, offsets.length]));
      followed.asked.push({ since, had });
      try {
        await this.#world.hub.subscribe(subscriber, selectionOf(name), startOf(since), {}, (opened) => {
          const position = opened.position && `${opened.position.epoch}:${opened.position.offset}`;
          const { cursor, recovered, reason, replayed } = opened;
          const answer = { type: 'subscribed', topic: name, position, cursor, recovered, reason, replayed };
          // Absent fields do not survive JSON.
          subscriber.tell(answer as unknown as ServerMessage);
        });
      } catch (error) {
        this.problems.push(String(error));
      }
    });
  }

  #take({ message, topic, epoch, offset, cursor }: Line): void {
    if (message !== undefined) {
      this.#hear(message);
      return;
    }
    if (topic === undefined || offset === undefined) return;
    this.lines.push(`${topic}:${offset}`);
    const matching = this.followed.filter(({ name }) => matchesPattern(name, topic));
    if (matching.length === 0) this.problems.push(`${topic} was never asked for`);
    for (const followed of matching) {
      const offsets = followed.received.get(topic) ?? [];
      followed.received.set(topic, offsets);
      // Where events come without a cursor, a client that resumes a pattern drops what it knows by offset.
      const resumed = !this.dialect.carriesCursor && followed.name.includes('*') && followed.resumed;
      if (matching.length > 1 || !(resumed && offset <= (offsets.at(-1) ?? 0))) offsets.push(offset);
      if (cursor !== undefined) followed.since = cursor;
      else if (followed.name === topic) followed.since = `${epoch}:${offset}`;
    }
  }

  #hear(message: ServerMessage): void {
    if (message.type === 'dropped') {
      this.problems.push(`dropped ${JSON.stringify(message)}`);
      this.lines.push(`dropped ${message.from}-${message.to} ${message.count} ${message.reason}`);
    }
    if (message.type === 'lag') this.lags++;
    if (message.type === 'position' && message.cursor !== undefined) {
      for (const each of this.followed)
        if (each.name.includes('*') && each.since !== undefined) each.since = message.cursor;
    }
    if (message.type !== 'subscribed') return;
    if (message.recovered === false) this.problems.push(`not recovered: ${message.reason}`);
    const followed = this.followed.find(({ name }) => name === message.topic);
    if (followed === undefined) return;
    const asked = followed.asked.shift();
    if (asked === undefined) return;
    for (const [topic, offsets] of followed.received) offsets.length = asked.had.get(topic) ?? 0;
    followed.since = asked.since;
    if (followed.start !== undefined) return;
    const position = message.position === undefined ? undefined : parsePosition(message.position);
    followed.start =
      position === undefined ? { cursor: parseCursor(message.cursor) ?? {} } : { offset: position.offset };
    followed.since = message.position ?? message.cursor;
  }
}

function startOf(since: string | undefined): Start {
  if (since === undefined) return { kind: 'now' };
  if (since === 'earliest') return { kind: 'earliest' };
  const position = parsePosition(since);
  if (position !== undefined) return { kind: 'position', position };
  return { kind: 'cursor', cursor: parseCursor(since) ?? {} };
}

type Step = readonly [kind: keyof typeof STEPS, which: number];

const STEPS = {
  publish: (world: World, _: Client[], which: number) =>
    world.publish(TOPICS[which % TOPICS.length]!, 1 + (which % 3)),
  turn: (world: World) => world.turns.shift()?.(),
  answerRead: (world: World, _: Client[], which: number) =>
    world.reads.splice(which % (world.reads.length || 1), 1)[0]?.(),
  hold: (world: World, _: Client[], which: number) => {
    world.buses[which % 2]!.mode = 'hold';
  },
  release: (world: World, _: Client[], which: number) => world.buses[which % 2]!.release(),
  stall: (_: World, clients: Client[], which: number) => {
    clients[which % clients.length]!.stalled = true;
  },
  pass: (world: World) => world.clock.advance(1000),
  answer: (_: World, clients: Client[], which: number) => clients[which % clients.length]!.answer(),
  resubscribe: (_: World, clients: Client[], which: number) =>
    clients[which % clients.length]!.resubscribe(which),
  cut: (_: World, clients: Client[], which: number) => {
    const client = clients[which % clients.length]!;
    client.cut();
    return void client.connect();
  },
};

const steps = fc.array(
  fc.tuple(
    fc.oneof(
      { weight: 6, arbitrary: fc.constant<keyof typeof STEPS>('publish') },
      { weight: 8, arbitrary: fc.constant<keyof typeof STEPS>('turn') },
      { weight: 5, arbitrary: fc.constant<keyof typeof STEPS>('answerRead') },
      { weight: 2, arbitrary: fc.constant<keyof typeof STEPS>('hold') },
      { weight: 2, arbitrary: fc.constant<keyof typeof STEPS>('release') },
      { weight: 2, arbitrary: fc.constant<keyof typeof STEPS>('stall') },
      { weight: 2, arbitrary: fc.constant<keyof typeof STEPS>('answer') },
      { weight: 1, arbitrary: fc.constant<keyof typeof STEPS>('pass') },
      { weight: 1, arbitrary: fc.constant<keyof typeof STEPS>('resubscribe') },
      { weight: 2, arbitrary: fc.constant<keyof typeof STEPS>('cut') },
    ),
    fc.nat(29),
  ),
  { minLength: 5, maxLength: 120, size: 'max' },
);

/** Everything, a few events, one or two, or none. */
const recentBytes = fc.constantFrom(1_000_000, 1000, 400, 150, 1);

async function run(
  names: readonly string[][],
  script: readonly Step[],
  maxRecentBytes: number,
): Promise<Client[]> {
  const world = new World({ maxRecentBytes });
  const clients = names.map((own, index) => new Client(world, DIALECTS[index % 2]!, own));
  for (const client of clients) void client.connect();
  await settled();
  for (const [kind, which] of script) {
    await STEPS[kind](world, clients, which);
    await settled();
  }
  await world.finish(clients);
  world.hub.close();
  return clients;
}

describe('whatever the order in which turns, notifications, reads and answers of clients come', () => {
  test('[SUB-3] [EVT-1] each subscription gets every event once, in order, over stalls and cuts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...NAMES),
        fc.constantFrom(...NAMES),
        steps,
        recentBytes,
        async (one, other, script, recent) => {
          const clients = await run([one, other], script, recent);
          expect(clients.flatMap((client) => client.verdict())).toEqual([]);
        },
      ),
      { numRuns: RUNS },
    );
  });

  test('[SUB-4] sessions whose topic and pattern overlap miss nothing', async () => {
    await fc.assert(
      fc.asyncProperty(steps, recentBytes, async (script, recent) => {
        const plain = script.filter(([kind]) => kind !== 'resubscribe');
        const [client] = await run([['d.a', '*'], []], plain, recent);
        expect(client?.verdict()).toEqual([]);
      }),
      { numRuns: RUNS },
    );
  });
});

describe('orders that failed once', () => {
  test('[SUB-4] two overlapping subscriptions that both read ahead get the next live event once', async () => {
    const world = new World();
    const start = await world.cursor();
    await world.publish('d.a', 1);
    const follower = new Client(world, DIALECTS[0]!, ['l.a']);
    await follower.connect();
    await world.finish([follower]);
    // Stored and readable, but not yet handed out.
    for (const bus of world.buses) bus.mode = 'hold';
    await world.publish('d.a', 1);
    const client = new Client(world, DIALECTS[0]!, ['d.a', '*']);
    for (const each of client.followed) each.since = start;
    await client.connect();
    await world.run([client]);
    expect(client.lines.toSorted()).toEqual(['d.a:1', 'd.a:1', 'd.a:2', 'd.a:2']);
    for (const bus of world.buses) bus.release();
    await world.publish('d.a', 1);
    await world.finish([client]);
    expect(client.lines.filter((line) => line === 'd.a:3')).toHaveLength(1);
  });

  test.each([undefined, 'earliest'])(
    '[SUB-9] since %s, a topic written anew before the end of its former life was handed out brings nothing of it, and nothing twice',
    async (since) => {
      const world = new World();
      await world.publish('d.a', 1);
      const follower = new Client(world, DIALECTS[0]!, ['d.a']);
      await follower.connect();
      await world.finish([follower]);
      for (const bus of world.buses) bus.mode = 'hold';
      await world.publish('d.a', 2);
      await world.delete('d.a');
      await world.publish('d.a', 2);
      const client = new Client(world, DIALECTS[0]!, ['d.a']);
      client.followed[0]!.since = since;
      await client.connect();
      await world.run([client]);
      for (const bus of world.buses) {
        bus.mode = 'pass';
        bus.release();
      }
      await world.run([client]);
      await world.publish('d.a', 1);
      await world.finish([client, follower]);
      const before = since === undefined ? [] : ['d.a:1', 'd.a:2'];
      expect(client.lines).toEqual([...before, 'd.a:3']);
      expect(follower.lines).toEqual(['d.a:2', 'd.a:3', 'd.a:1', 'd.a:2', 'd.a:3']);
    },
  );

  test('[FLOW-2] one that lags while it is ahead of live delivery in one engine gets nothing twice', async () => {
    const world = new World();
    const start = await world.cursor();
    // Before the hub follows: what came first is in the log alone.
    await world.publish('d.b', 1);
    const follower = new Client(world, DIALECTS[0]!, ['d.c']);
    await follower.connect();
    await world.finish([follower]);
    const [, durable] = world.buses;
    durable!.mode = 'hold';
    await world.publish('d.a', 3);
    const client = new Client(world, DIALECTS[0]!, ['*']);
    client.followed[0]!.since = start;
    await client.connect();
    await world.run([client]);
    client.stalled = true;
    for (let i = 0; i < 10; i++) {
      await world.publish('l.a', 5);
      while (world.turns.length > 0) {
        world.turns.shift()?.();
        await settled();
      }
    }
    expect(client.lags).toBeGreaterThan(0);
    await world.finish([client]);
    expect(client.lines.toSorted()).toEqual([...new Set(client.lines)].toSorted());
    expect(client.lines).toHaveLength(54);
  });

  test('[REC-8] `dropped` stands in the place of the events that retention took from a running replay', async () => {
    const world = new World({ retention: { maxEvents: 10 }, maxRecentBytes: 500 });
    const client = new Client(world, DIALECTS[0]!, ['d.a']);
    await client.connect();
    await world.finish([client]);
    client.stalled = true;
    for (let i = 0; i < 10; i++) {
      await world.publish('d.a', 5);
      world.turns.shift()?.();
      await settled();
      world.turns.shift()?.();
      await settled();
    }
    await world.finish([client]);
    expect(client.lags).toBeGreaterThan(0);
    let next = 1;
    for (const line of client.lines) {
      const [, from, to, count] = /^dropped (\d+)-(\d+) (\d+) expired$/.exec(line)?.map(Number) ?? [];
      if (from === undefined || to === undefined) {
        expect(line).toBe(`d.a:${next++}`);
        continue;
      }
      expect([from, count]).toEqual([next, to - from + 1]);
      next = to + 1;
    }
    expect(client.lines.filter((line) => line.startsWith('dropped'))).not.toEqual([]);
    expect(next).toBe(51);
  });

  test('[SUB-2] what one engine delivers while the other is still being joined is not lost', async () => {
    let join: (() => void) | undefined;
    const joined = new Promise<void>((resolve) => {
      join = resolve;
    });
    const world = new World({ durableJoins: joined });
    const client = new Client(world, DIALECTS[1]!, ['l.*']);
    client.followed[0]!.since = await world.cursor();
    void client.connect();
    await settled();
    await world.publish('l.a', 3);
    while (world.turns.length > 0) {
      world.turns.shift()?.();
      await settled();
    }
    join?.();
    await settled();
    await world.finish([client]);
    expect(client.lines).toEqual(['l.a:1', 'l.a:2', 'l.a:3']);
  });
});
