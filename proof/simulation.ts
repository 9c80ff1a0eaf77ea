import { type Client, createClient, type MillraceError, type PublishResult } from '@millrace/client';
import fc from 'fast-check';
import type { EngineSlot, Retention } from '../packages/server/src/engine/engine.ts';
import type { Committed } from './history.ts';
import { Random } from './random.ts';
import type { SequenceProof } from './sequence-proof.ts';
import { type Handling, SimulatedConsumer } from './simulated-consumer.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedPlatform } from './simulated-platform.ts';
import { type Asks, type Begin, SimulatedReader } from './simulated-reader.ts';
import { ENTITY, SimulatedServer, TOKEN } from './simulated-server.ts';
import { SimulatedViewer, tallyFamily } from './simulated-viewer.ts';
import { VirtualTime } from './virtual-time.ts';

/*
 * The real server (engines, hub, sessions) and the real SDK over a network that cuts, delays, splits and stalls, in
 * one process and one order: what happens by itself is chosen by a seed, what is done by a sequence of steps that
 * fast-check makes and shrinks. At the end the network heals, and everybody must have been told the truth.
 */

const TOPICS = ['d.a', 'd.b', 'l.a', 'l.b'];
const NAMES = ['d.a', 'l.a', 'd.*', 'l.*', '*', 'd.b'];
const EVENTS = ['said', 'done', 'asked'];
const CONSUMED = ['d.a', 'l.a'];
const CONSUMERS = ['phone', 'phone', 'printer'];
const MAX_CONSUMERS = 3;
const MAX_VIEWERS = 3;
const CLIENTS = 2;
/** Longer than reconnection, the answers that were lost, and the heartbeats that notice it take. */
const HEALING_MS = 20_000;
/** As long as a consumer is sent again what it does not acknowledge, and longer. */
const BURIAL_MS = 16_000;

/** What a run is made with, beside its steps. */
interface Setup {
  readonly seed: number;
  /** What is kept of a topic: few events, or what 20 s bring. */
  readonly retention: 'all' | 'few' | 'young';
  /** Bytes for recent events: everything, a few, or none. */
  readonly maxRecentBytes: number;
  /** Notifications of commits are sometimes late or lost. */
  readonly lossyBus: boolean;
}

const RETENTIONS: Record<Setup['retention'], Retention> = {
  all: {},
  few: { maxEvents: 12 },
  young: { maxAgeMs: 20_000 },
};

/** Filters, and the same said in another way. */
const FILTERS = new Map<NonNullable<Asks['filter']>, (event: Committed) => boolean>([
  [{ types: ['said', 'asked'] }, ({ event }) => event === 'said' || event === 'asked'],
  [{ 'data.rest': { gte: 1 } }, ({ data }) => ((JSON.parse(data) as { rest?: number }).rest ?? 0) >= 1],
  [{ key: ['k1', 'k2'] }, ({ key }) => key === 'k1' || key === 'k2'],
  [{ event: 'never' }, () => false],
]);

const [spoken, rest, keys, never] = [...FILTERS.keys()];
const ASKS: readonly Asks[] = [
  {},
  { slow: 'drop-oldest' },
  {},
  { filter: spoken },
  { batch: true },
  { filter: rest, batch: { maxEvents: 3, maxDelayMs: 40 } },
  {},
  { slow: 'conflate' },
  { filter: keys, slow: 'drop-oldest' },
  { slow: 'disconnect' },
  {},
  { filter: never },
];

interface Publication {
  readonly topic: string;
  readonly tag: number;
  outcome: PublishResult | MillraceError | undefined;
}

class Simulation {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly server: SimulatedServer;
  readonly network: SimulatedNetwork;
  readonly platforms: SimulatedPlatform[] = [];
  readonly clients: Client[] = [];
  readonly readers: SimulatedReader[] = [];
  readonly consumers: SimulatedConsumer[] = [];
  readonly viewers: SimulatedViewer[] = [];
  readonly problems: string[] = [];
  readonly #retention: Retention;
  readonly #publications: Publication[] = [];
  #tags = 0;

  constructor({ seed, retention, maxRecentBytes, lossyBus }: Setup) {
    const random = new Random(seed);
    this.random = random;
    this.#retention = RETENTIONS[retention];
    this.time = new VirtualTime({ turnDelayMs: () => random.next() * 2 });
    this.server = new SimulatedServer({
      time: this.time,
      retention: this.#retention,
      maxRecentBytes,
      families: [tallyFamily],
      answerDelayMs: () => random.next() * 4,
      notificationDelayMs: () => {
        if (!lossyBus || random.chance(0.7)) return 0;
        return random.chance(0.3) ? undefined : random.next() * 50;
      },
    });
    this.network = new SimulatedNetwork({ time: this.time, random, server: this.server });
    for (let i = 0; i < CLIENTS; i++) this.#addClient(`client${i}`);
  }

  /** Publishes as an application of a client does. */
  publish(which: number, count: number): void {
    const client = pick(this.clients, which);
    const topic = pick(TOPICS, which >> 1);
    for (let i = 0; i < count; i++) {
      const publication: Publication = { topic, tag: ++this.#tags, outcome: undefined };
      this.#publications.push(publication);
      const { tag } = publication;
      const key = tag % 4 === 0 ? undefined : `k${tag % 4}`;
      client.publish(topic, pick(EVENTS, tag), { tag, rest: tag % 3 }, { key }).then(
        (result) => {
          publication.outcome = result;
        },
        (error: MillraceError) => {
          publication.outcome = error;
        },
      );
    }
  }

  /** Publishes as a service of the server does. */
  async publishWithin(which: number, count: number): Promise<void> {
    if (!this.server.up) return;
    const topic = pick(TOPICS, which);
    const events = Array.from({ length: count }, (_, i) => {
      const data = `{"by":"the server and somewhat longer","rest":${(which + i) % 3}}`;
      return { topic, event: pick(EVENTS, i), key: `k${i % 4}`, data };
    });
    await this.#finish(this.server.publisher.publishInternally(ENTITY, events));
  }

  read(which: number, amount: number): void {
    const begin: Begin = { kind: amount % 3 === 0 ? 'earliest' : 'now' };
    const asks = pick(ASKS, which + amount);
    this.#addReader(pick(this.clients, which), pick(NAMES, which >> 1), begin, asks, amount % 4 === 1);
  }

  /** A reader goes, and another goes on from where it stood. */
  handOver(which: number, amount: number): void {
    const reader = pickAny(this.readers, which);
    const since = reader?.closed === false ? reader.place(amount % 2 === 0) : undefined;
    if (reader === undefined || since === undefined) return;
    this.problems.push(...reader.missingBefore(since));
    if (amount % 3 === 0) reader.subscription.close();
    const begin: Begin = { kind: 'place', since };
    const asks = amount % 2 === 0 ? reader.asks : pick(ASKS, amount);
    // A place of a filtered reader says nothing of what its filter kept back.
    if (reader.asks.filter !== undefined && asks.filter === undefined) return;
    this.#addReader(pick(this.clients, which + amount), reader.name, begin, asks, amount % 4 === 1);
  }

  watch(which: number, amount: number): void {
    if (this.viewers.length >= MAX_VIEWERS) return;
    const { history } = this.server;
    const keepsAll = Object.keys(this.#retention).length === 0;
    const [client, name] = [pick(this.clients, which), pick(NAMES, amount)];
    this.viewers.push(new SimulatedViewer({ client, name, history, keepsAll }));
  }

  close(which: number): void {
    pickAny(this.readers, which)?.subscription.close();
  }

  consume(which: number, amount: number): void {
    if (this.consumers.length >= MAX_CONSUMERS) return;
    const { time, random } = this;
    const handling: Handling = {
      take: (done) => void time.after(random.next() * 20, done),
      throws: ({ offset }, times) => offset % 7 === 0 || (offset % 5 === 0 && times === 1),
    };
    const [topic, name] = [pick(CONSUMED, which), pick(CONSUMERS, amount)];
    const client = pick(this.clients, which >> 1);
    this.consumers.push(new SimulatedConsumer({ client, topic, name, handling }));
  }

  leave(which: number): void {
    pickAny(this.consumers, which)?.consumer.close();
  }

  cut(which: number): void {
    pickAny([...this.network.connections], which)?.cut();
  }

  sever(which: number): void {
    pickAny([...this.network.connections], which)?.sever();
  }

  stall(which: number): void {
    pickAny([...this.network.connections], which)?.stall();
  }

  resume(which: number): void {
    pickAny([...this.network.connections], which)?.resume();
  }

  wake(which: number): void {
    pick(this.platforms, which)?.wake();
  }

  async delete(which: number): Promise<void> {
    if (this.server.up) await this.#finish(this.server.hub.deleteTopic(ENTITY, pick(TOPICS, which)));
  }

  /** The server goes, with or without saying so, and comes back with what outlived it. */
  async restart(which: number, amount: number): Promise<void> {
    if (!this.server.up) return;
    if (amount % 3 === 0) {
      let drained = false;
      void this.server.drain().then(() => {
        drained = true;
      });
      for (let i = 0; i < 20 && !drained; i++) await this.time.pass(5);
      await this.time.pass(20);
    }
    const lost: readonly (readonly EngineSlot[])[] = [[], ['live'], [], ['live', 'durable']];
    this.server.stop(pick(lost, which));
    this.network.cutAll();
    await this.time.pass(which % 3 === 0 ? 0 : amount * 150);
    this.server.start();
  }

  /** The network is whole again, and everything that is still to happen happens. */
  async heal(): Promise<void> {
    for (const connection of this.network.connections) connection.resume();
    await this.time.pass(HEALING_MS);
    if (this.consumers.some(({ closed }) => !closed)) await this.time.pass(BURIAL_MS);
  }

  async end(): Promise<void> {
    for (const client of this.clients) client.close();
    await this.server.close();
  }

  verdict(): string[] {
    return [
      ...this.problems,
      ...this.server.errors.filter(isFailure).map((error) => `the server reported: ${String(error)}`),
      ...this.clients.flatMap(({ state }, i) =>
        state === 'connected' ? [] : [`client${i} is ${state} at the end`],
      ),
      ...this.readers.flatMap((reader) => reader.verdict()),
      ...this.consumers.flatMap(({ problems }) => problems),
      ...this.viewers.flatMap((viewer) => viewer.verdict()),
      ...this.#consumerProblems(),
      ...this.#publicationProblems(),
    ];
  }

  /** Each event that the log did not lose was handled by some device of the consumer, or is a dead letter. */
  #consumerProblems(): string[] {
    const { history } = this.server;
    return this.consumers.flatMap(({ topic, name, closed }) => {
      // An acknowledgement names no epoch: one on its way while a topic is deleted and born again is taken for the new one's.
      if (closed || history.breaks.some((each) => each.topic === topic)) return [];
      const devices = this.consumers.filter((each) => each.topic === topic && each.name === name);
      const letters = history.of(`dead-letter.${topic}`).filter(({ source }) => source?.endsWith(name));
      const dead = new Set(
        letters.map(({ data }) => (JSON.parse(data) as { message_id: string }).message_id),
      );
      const end = { tick: Infinity, atMs: this.time.monotonic() };
      const lost = history.of(topic).find((event) => {
        if (devices.some((device) => device.hasHandled(event)) || dead.has(event.id)) return false;
        return !history.isGone(event, end, this.#retention);
      });
      return lost === undefined
        ? []
        : [
            `${name} of ${topic} never handled ${lost.epoch}:${lost.offset}, and there is no dead letter of it`,
          ];
    });
  }

  /** What was told of each publication, compared with what was stored. */
  #publicationProblems(): string[] {
    const stored = new Map<number, { epoch: string; offset: number }[]>();
    for (const topic of this.server.history.topics) {
      for (const { data, epoch, offset } of this.server.history.of(topic)) {
        const { tag } = JSON.parse(data) as { tag?: number };
        if (tag !== undefined) stored.set(tag, [...(stored.get(tag) ?? []), { epoch, offset }]);
      }
    }
    return this.#publications.flatMap(({ tag, topic, outcome }) => {
      const places = stored.get(tag) ?? [];
      const epochs = new Set(places.map(({ epoch }) => epoch));
      const what = `publication ${tag} to ${topic}`;
      if (outcome === undefined) return [`${what} was never answered`];
      if (epochs.size < places.length) return [`${what} was stored twice`];
      if (outcome instanceof Error) {
        return outcome.code === 'unknown' || places.length === 0
          ? []
          : [`${what} was rejected, and is stored`];
      }
      const { epoch, offset } = outcome;
      const found = places.some((place) => place.epoch === epoch && place.offset === offset);
      return found ? [] : [`${what} was said to be at ${epoch}:${offset}, and is not`];
    });
  }

  async #finish(work: Promise<unknown>): Promise<void> {
    let done = false;
    void work.then(
      () => {
        done = true;
      },
      (error: unknown) => {
        done = true;
        this.problems.push(String(error));
      },
    );
    while (!done) await this.time.pass(1);
  }

  #addClient(name: string): void {
    const onError = (error: unknown): void => {
      this.problems.push(`${name} threw ${String(error)}`);
    };
    const platform = new SimulatedPlatform({ network: this.network, name, onError });
    this.platforms.push(platform);
    this.clients.push(
      createClient({
        url: 'http://server.test',
        token: TOKEN,
        transport: 'websocket',
        heartbeatMs: 4000,
        timeoutMs: 2000,
        platform,
      }),
    );
  }

  #addReader(client: Client, name: string, begin: Begin, asks: Asks, slowly: boolean): void {
    const { time, random, server } = this;
    const pause = (task: () => void): void => void time.after(random.next() * 30, task);
    this.readers.push(
      new SimulatedReader({
        client,
        name,
        begin,
        history: server.history,
        time,
        retention: this.#retention,
        asks,
        matches: asks.filter && FILTERS.get(asks.filter),
        pause: slowly ? pause : undefined,
      }),
    );
  }
}

/** That the topic of a consumer was deleted under its hands is reported, and no failure. */
function isFailure(error: unknown): boolean {
  return !(error instanceof Error && 'code' in error && error.code === 'epoch');
}

function pick<Item>(items: readonly Item[], which: number): Item {
  // Of what is never empty.
  return items[which % items.length] as Item;
}

function pickAny<Item>(items: readonly Item[], which: number): Item | undefined {
  return items[which % items.length];
}

const STEPS = {
  publish: (it: Simulation, which: number, amount: number) => it.publish(which, 1 + (amount % 3)),
  publishWithin: (it: Simulation, which: number, amount: number) => it.publishWithin(which, 1 + amount),
  read: (it: Simulation, which: number, amount: number) => it.read(which, amount),
  watch: (it: Simulation, which: number, amount: number) => it.watch(which, amount),
  handOver: (it: Simulation, which: number, amount: number) => it.handOver(which, amount),
  close: (it: Simulation, which: number) => it.close(which),
  consume: (it: Simulation, which: number, amount: number) => it.consume(which, amount),
  leave: (it: Simulation, which: number) => it.leave(which),
  cut: (it: Simulation, which: number) => it.cut(which),
  sever: (it: Simulation, which: number) => it.sever(which),
  stall: (it: Simulation, which: number) => it.stall(which),
  resume: (it: Simulation, which: number) => it.resume(which),
  wake: (it: Simulation, which: number) => it.wake(which),
  delete: (it: Simulation, which: number) => it.delete(which),
  restart: (it: Simulation, which: number, amount: number) => it.restart(which, amount),
  wait: (it: Simulation, which: number, amount: number) => it.time.pass(which * amount * 20),
} as const;

type Step = readonly [kind: keyof typeof STEPS, which: number, amount: number];

const WEIGHTS: Record<keyof typeof STEPS, number> = {
  publish: 8,
  publishWithin: 5,
  read: 4,
  watch: 2,
  handOver: 2,
  close: 1,
  consume: 1,
  leave: 1,
  cut: 3,
  sever: 1,
  stall: 2,
  resume: 3,
  wake: 1,
  delete: 1,
  restart: 1,
  wait: 3,
};

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.tuple(
    fc.oneof(
      ...Object.entries(WEIGHTS).map(([kind, weight]) => ({
        weight,
        arbitrary: fc.constant(kind as keyof typeof STEPS),
      })),
    ),
    fc.nat(23),
    fc.nat(9),
  ),
  { minLength: 4, maxLength: 40, size: 'max' },
);

const setup: fc.Arbitrary<Setup> = fc.record({
  seed: fc.nat(2 ** 31 - 1),
  retention: fc.constantFrom('all', 'all', 'few', 'young'),
  maxRecentBytes: fc.constantFrom(1_000_000, 1000, 400, 150, 1),
  lossyBus: fc.boolean(),
});

async function simulate([setup, steps]: readonly [Setup, readonly Step[]]): Promise<string[]> {
  const simulation = new Simulation(setup);
  await simulation.time.pass(50);
  for (const [kind, which, amount] of steps) {
    await STEPS[kind](simulation, which, amount);
    await simulation.time.pass(amount * 3);
  }
  await simulation.heal();
  const problems = simulation.verdict();
  await simulation.end();
  return problems;
}

export const simulationProof: SequenceProof<readonly [Setup, readonly Step[]]> = {
  name: 'simulation',
  share: 40,
  sequences: fc.tuple(setup, steps),
  run: simulate,
};
