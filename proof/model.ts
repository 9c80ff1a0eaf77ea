import { formatPosition, matchesPattern, type ServerMessage } from '@millrace/protocol';
import fc from 'fast-check';
import type { EngineSlot, Retention } from '../packages/server/src/engine/engine.ts';
import { LogModel, type ModelEvent, type Recovery, type Saying, SLOTS } from './log-model.ts';
import { ConsumerModel, ModelDevice } from './model-device.ts';
import type { SequenceProof } from './sequence-proof.ts';
import { ENTITY, SimulatedServer } from './simulated-server.ts';
import { isDropping, judgeSlow, type Slow } from './slow-verdict.ts';
import { judgeSnapshots } from './snapshot-verdict.ts';
import { VirtualTime } from './virtual-time.ts';
import { WireClient } from './wire-client.ts';

/*
 * The real engines, hub and sessions beside a model of what logs are. One thing happens at a time and is over before the
 * next, so that the model can say exactly what every client must be told: each answer, each event, and nothing else.
 * Only of clients that did not read for a while it says what must have come in the end, by their policy.
 */

const TOPICS = ['d.a', 'd.b', 'd.b.c', 'l.a', 'l.b'];
const EVENTS = ['said', 'done', 'asked'];
/** Names of one client, no two of which select the same topic. */
const NAMES: readonly (readonly string[])[] = [['d.a', 'l.*', 'd.b'], ['d.*', 'l.a', 'l.b'], ['*']];
const STEP_MS = 150;
/** How often engines look for what is too old. */
const SWEEP_MS = 1000;

/** A filter, and the same said in another way. */
interface ModelFilter {
  readonly filter: Record<string, unknown> | undefined;
  readonly passes: (event: Saying) => boolean;
}

const ALL: ModelFilter = { filter: undefined, passes: () => true };
const SPOKEN: ModelFilter = {
  filter: { types: ['said', 'asked'] },
  passes: ({ event }) => event === 'said' || event === 'asked',
};
const SOME: ModelFilter = {
  filter: { 'data.rest': { gt: 0 }, key: { ne: 'k1' } },
  passes: ({ rest, key }) => rest > 0 && key !== 'k1',
};
const NONE: ModelFilter = { filter: { event: 'never' }, passes: () => false };

/** How a subscription is asked for, beside its name and beginning. */
interface Manner {
  readonly filter: ModelFilter;
  readonly slow?: Slow;
  readonly batch?: true;
}

const MANNERS: readonly Manner[] = [
  { filter: ALL },
  { filter: SPOKEN },
  { filter: ALL, slow: 'drop-oldest' },
  { filter: SOME, batch: true },
  { filter: ALL, slow: 'conflate' },
  { filter: NONE },
  { filter: ALL, slow: 'disconnect', batch: true },
  { filter: SPOKEN, slow: 'drop-oldest' },
];

/** What a run is made with, beside its steps. */
interface Setup {
  readonly retention: 'all' | 'few' | 'young';
  readonly maxRecentBytes: number;
}

const RETENTIONS: Record<Setup['retention'], Retention> = {
  all: {},
  few: { maxEvents: 6 },
  young: { maxAgeMs: 3000 },
};

/** A subscription as its client knows it. */
interface Followed {
  readonly name: string;
  readonly manner: Manner;
  /** Events that must come, in the order of storing. */
  due: ModelEvent[];
}

interface Follower {
  readonly names: readonly string[];
  wire: WireClient;
  readonly followed: Map<string, Followed>;
  /** It did not read since it was looked at last. */
  isBehind: boolean;
  /** Every place it was ever told, by name of a subscription. */
  readonly places: Map<string, string[]>;
}

const CONSUMED = ['d.a', 'l.a'];
/** Two devices of one consumer, and one of another. */
const DEVICES = [0, 0, 1];
/** As long as something that nobody acknowledges is sent again and again, and longer. */
const BURIAL_MS = 16_000;
/** Deliveries are farther apart. */
const LOOK_EVERY_MS = 500;

interface BuriedLetter {
  readonly consumer: ConsumerModel;
  readonly letter: Parameters<ConsumerModel['buried']>[0];
}

class Run {
  readonly problems: string[] = [];
  readonly #time = new VirtualTime();
  readonly #server: SimulatedServer;
  readonly #model: LogModel;
  readonly #clients: Follower[];
  readonly #consumers = CONSUMED.map((topic) => new ConsumerModel(topic, 'phone'));
  readonly #devices: ModelDevice[];
  readonly #ids = new Map<string, ModelEvent>();
  /** Dead letters that were looked at. */
  readonly #letters = new Map<ConsumerModel, number>();
  readonly #createdMs: Record<EngineSlot, number> = { live: 0, durable: 0 };

  constructor(setup: Setup) {
    const retention = RETENTIONS[setup.retention];
    this.#model = new LogModel(retention);
    this.#server = new SimulatedServer({ time: this.#time, retention, maxRecentBytes: setup.maxRecentBytes });
    this.#clients = NAMES.map((names) => ({
      names,
      wire: new WireClient(this.#server),
      followed: new Map(),
      isBehind: false,
      places: new Map(),
    }));
    this.#devices = DEVICES.map(
      (which) => new ModelDevice(pick(this.#consumers, which), new WireClient(this.#server)),
    );
  }

  get problem(): boolean {
    return this.problems.length > 0;
  }

  /** Lets everything happen, and looks at what everybody was told. */
  async settle(durationMs = STEP_MS): Promise<void> {
    for (let left = durationMs; left > 0; left -= LOOK_EVERY_MS) {
      await this.#time.pass(Math.min(left, LOOK_EVERY_MS));
      await this.#lookAtAll();
    }
  }

  async end(): Promise<string[]> {
    for (const client of this.#clients) if (!client.wire.reads) await this.read(client);
    if (!this.problem) await this.#bury();
    this.problems.push(
      ...this.#server.errors.filter(isFailure).map((error) => `the server reported: ${error}`),
    );
    await this.#server.close();
    return this.problems;
  }

  /** Whatever a device is there for is acknowledged or given up in the end. */
  async #bury(): Promise<void> {
    const readers = this.#devices.filter(({ subscribed }) => subscribed);
    const alive = (): ModelEvent[] => readers.flatMap(({ consumer }) => consumer.alive(this.#model));
    if (alive().length === 0) return;
    await this.settle(BURIAL_MS);
    const [left] = alive();
    if (left !== undefined) this.problems.push(`${left.topic} ${formatPosition(left)} is never given up`);
  }

  async #lookAtAll(): Promise<void> {
    const letters: BuriedLetter[] = [];
    for (let fresh = this.#newLetters(); fresh.length > 0; fresh = this.#newLetters()) {
      letters.push(...fresh);
      // They were stored a moment ago, and may be on their way still.
      await this.#time.pass(STEP_MS);
    }
    const nowMs = this.#time.monotonic();
    for (const slot of SLOTS) {
      const sweptMs = nowMs - ((nowMs - this.#createdMs[slot]) % SWEEP_MS);
      this.#model.expire(slot, sweptMs);
    }
    for (const client of this.#clients) {
      if (!client.wire.reads) continue;
      if (client.isBehind) this.#lookBack(client);
      else this.#look(client);
    }
    for (const device of this.#devices) {
      device.consumer.follow(this.#model);
      device.look(nowMs);
      this.problems.push(...device.problems.splice(0));
    }
    for (const { consumer, letter } of letters) this.problems.push(...consumer.buried(letter));
  }

  /** What the server wrote by itself: events like any other. */
  #newLetters(): BuriedLetter[] {
    const { history } = this.#server;
    const found = this.#consumers.flatMap((consumer) => {
      const all = history.of(`dead-letter.${consumer.topic}`);
      const fresh = all.slice(this.#letters.get(consumer) ?? 0);
      this.#letters.set(consumer, all.length);
      return fresh.map((event) => ({ consumer, event }));
    });
    found.sort((one, other) => one.event.atMs - other.event.atMs || one.event.seq - other.event.seq);
    return found.map(({ consumer, event }) => {
      const { topic, key, atMs } = event;
      const stored = this.#model.publish(topic, { event: event.event, key, rest: 0 }, atMs);
      for (const client of this.#clients) this.#owe(client, stored);
      const { message_id, reason, offset } = JSON.parse(event.data) as Record<string, string> & {
        offset: number;
      };
      const dead = this.#ids.get(message_id ?? '');
      return { consumer, letter: { epoch: dead?.epoch ?? '', offset, reason: reason ?? '' } };
    });
  }

  client(which: number): Follower {
    return pick(this.#clients, which);
  }

  async publish(which: number, amount: number): Promise<void> {
    const topic = pick(TOPICS, which);
    for (let i = 0; i < 1 + (amount % 5); i++) {
      const key = (which + i) % 4 === 0 ? undefined : `k${(which + i) % 4}`;
      const name = pick(EVENTS, amount + i);
      const rest = (amount + i) % 3;
      const event = this.#model.publish(topic, { event: name, key, rest }, this.#time.monotonic());
      const data = JSON.stringify({ rest, filling: 'so that the bytes in flight are soon too many' });
      const said = { topic, event: name, data, ...(key !== undefined && { key }) };
      const [outcome] = await this.#server.publisher.publishInternally(ENTITY, [said]);
      if (outcome === undefined || outcome instanceof Error)
        this.problems.push(`publishing failed: ${outcome}`);
      else {
        this.#expect(formatPosition(outcome), formatPosition(event), `the place of an event of ${topic}`);
        this.#ids.set(outcome.id, event);
      }
      for (const client of this.#clients) this.#owe(client, event);
      for (const device of this.#devices) device.owe(event);
    }
  }

  subscribe(client: Follower, which: number, amount: number): void {
    if (!client.wire.reads || client.wire.closed !== undefined) return;
    const name = pick(client.names, which);
    const manner = pick(MANNERS, which + amount);
    const since = this.#choosePlace(client, name, amount);
    const recovery = this.#predict(name, since);
    const { filter, slow, batch } = manner;
    const ask = { filter: filter.filter, slow, batch };
    const id = client.wire.send({ type: 'subscribe', topic: name, since, ...ask });
    const due = recovery?.ok === true ? recovery.events.filter(filter.passes) : [];
    const followed: Followed = { name, manner, due };
    client.followed.set(name, followed);
    this.#asked.push({ client, followed, id, recovery, head: this.#model.head(name) });
  }

  /** Nothing follows but what is published from now on: what was before is in the snapshots. */
  subscribeSinceSnapshot(client: Follower, which: number): void {
    if (!client.wire.reads || client.wire.closed !== undefined) return;
    const name = pick(client.names, which);
    const id = client.wire.send({ type: 'subscribe', topic: name, since: 'snapshot' });
    const followed: Followed = { name, manner: { filter: ALL }, due: [] };
    client.followed.set(name, followed);
    const recovery: Recovery = { ok: true, events: [] };
    this.#asked.push({ client, followed, id, recovery, head: this.#model.head(name) });
    this.#sinceSnapshot = { client, name };
  }

  unsubscribe(client: Follower, which: number): void {
    if (!client.wire.reads || client.wire.closed !== undefined) return;
    const name = pick(client.names, which);
    const id = client.wire.send({ type: 'unsubscribe', topic: name });
    const code = client.followed.delete(name) ? 'unsubscribed' : 'not-subscribed';
    this.#answers.push({ client, id, code });
  }

  cut(client: Follower): void {
    client.wire.cut();
    client.followed.clear();
    client.wire = new WireClient(this.#server);
    client.isBehind = false;
  }

  stopReading(client: Follower): void {
    client.wire.stopReading();
    client.isBehind = true;
  }

  async read(client: Follower): Promise<void> {
    if (client.wire.reads) return;
    client.wire.readAgain();
    await this.#time.pass(STEP_MS);
    await this.#lookAtAll();
  }

  async delete(which: number): Promise<void> {
    const topic = pick(TOPICS, which);
    this.#model.delete(topic);
    for (const device of this.#devices) if (device.consumer.topic === topic) device.forget();
    await this.#server.hub.deleteTopic(ENTITY, topic);
  }

  async trim(which: number, amount: number): Promise<void> {
    const topic = pick(TOPICS, which);
    const upTo = Math.max(0, this.#model.offset(topic) - (amount % 4));
    this.#model.trim(topic, upTo);
    await this.#server.engine.trim(ENTITY, topic, upTo);
  }

  async restart(which: number): Promise<void> {
    const lost = pick<readonly EngineSlot[]>([[], ['live'], [], ['durable']], which);
    this.#server.stop(lost);
    for (const slot of lost) {
      this.#model.replace(slot);
      this.#createdMs[slot] = this.#time.monotonic();
    }
    this.#server.start();
    for (const client of this.#clients) this.cut(client);
    for (const device of this.#devices) device.reconnect(new WireClient(this.#server));
  }

  consume(which: number): void {
    pick(this.#devices, which).subscribe(this.#model);
  }

  leave(which: number): void {
    pick(this.#devices, which).unsubscribe();
  }

  acknowledge(which: number, amount: number): void {
    const device = pick(this.#devices, which);
    if (this.#model.offset(device.consumer.topic) > 0)
      device.acknowledge(this.#model, amount % 4, amount === 0);
  }

  cutDevice(which: number): void {
    const device = pick(this.#devices, which);
    device.wire.cut();
    device.reconnect(new WireClient(this.#server));
  }

  readonly #asked: {
    readonly client: Follower;
    readonly followed: Followed;
    readonly id: string;
    readonly recovery: Recovery | undefined;
    readonly head: string;
  }[] = [];
  /** Who asked for snapshots in this step. */
  #sinceSnapshot: { readonly client: Follower; readonly name: string } | undefined;
  readonly #answers: { readonly client: Follower; readonly id: string; readonly code: string }[] = [];

  /** Whoever follows the topic must get the event. */
  #owe({ followed }: Follower, event: ModelEvent): void {
    for (const { name, manner, due } of followed.values()) {
      if (matchesPattern(name, event.topic) && manner.filter.passes(event)) due.push(event);
    }
  }

  /** Where to begin: now, somewhere that it was told of, or by count. */
  #choosePlace({ places }: Follower, name: string, amount: number): string | { last: number } | undefined {
    const known = places.get(name) ?? [];
    switch (amount % 5) {
      case 0:
        return undefined;
      case 1:
        return 'earliest';
      case 2:
        return { last: 1 + (amount % 3) };
      default:
        // The last place, or one of long ago.
        return amount % 2 === 0 ? known.at(-1) : known[amount % Math.max(1, known.length)];
    }
  }

  #predict(name: string, since: string | { last: number } | undefined): Recovery | undefined {
    if (since === undefined) return undefined;
    if (typeof since === 'object') {
      return { ok: true, events: this.#model.kept(name).slice(-since.last) };
    }
    return since === 'earliest'
      ? { ok: true, events: this.#model.kept(name) }
      : this.#model.since(name, since);
  }

  /** What a client that reads was told must be what the model says, to the letter. */
  #look(client: Follower): void {
    const messages = client.wire.take();
    for (const message of messages) this.#hear(client, message);
    this.#assertNothingDue(client);
    const snapshots = messages.filter((message) => message.type === 'snapshot');
    const name = this.#sinceSnapshot?.client === client ? this.#sinceSnapshot.name : undefined;
    if (name !== undefined) {
      this.#sinceSnapshot = undefined;
      this.problems.push(...judgeSnapshots(name, snapshots, this.#model, TOPICS));
    } else if (snapshots.length > 0) this.problems.push('snapshots came that nobody asked for');
  }

  #hear(client: Follower, message: ReturnType<WireClient['take']>[number]): void {
    switch (message.type) {
      case 'event':
        this.#hearEvent(client, message);
        break;
      case 'subscribed':
        this.#hearSubscribed(client, message);
        break;
      case 'unsubscribed':
      case 'error': {
        const code = message.type === 'error' ? message.code : message.type;
        const index = this.#answers.findIndex((each) => each.client === client && each.id === message.id);
        const [answer] = index === -1 ? [] : this.#answers.splice(index, 1);
        this.#expect(code, answer?.code, `an answer (${JSON.stringify(message)})`);
        break;
      }
      case 'position':
        this.#hearPosition(client, message);
        break;
      case 'snapshot':
      case 'lag':
      case 'welcome':
        break;
      default:
        this.problems.push(`a client that reads was told ${JSON.stringify(message)}`);
    }
  }

  #hearEvent(client: Follower, message: ServerMessage & { type: 'event' }): void {
    const { topic, epoch, offset } = message;
    const followed = [...client.followed.values()].find(({ name }) => matchesPattern(name, topic));
    const index = followed?.due.findIndex((event) => event.topic === topic) ?? -1;
    const [due] = index === -1 ? [] : (followed as Followed).due.splice(index, 1);
    this.#expect(
      `${epoch}:${offset}`,
      due && formatPosition(due),
      `the next event of ${topic} for ${followed?.name}`,
    );
    if (followed?.name === topic) this.#notePlace(client, topic, `${epoch}:${offset}`);
  }

  #hearSubscribed(client: Follower, message: ServerMessage & { type: 'subscribed' }): void {
    const index = this.#asked.findIndex((each) => each.client === client && each.id === message.id);
    const [asked] = index === -1 ? [] : this.#asked.splice(index, 1);
    if (asked === undefined) {
      this.problems.push(`nobody asked for ${JSON.stringify(message)}`);
      return;
    }
    const { followed, recovery, head } = asked;
    const { name, manner } = followed;
    const what = `of the answer for ${name}`;
    if (!name.includes('*')) this.#expect(message.position, head, `the position ${what}`);
    if (recovery?.ok === false && message.recovered === true && recovery.whole !== undefined) {
      // Memory held what the log does not.
      this.#expect(String(message.replayed), String(recovery.whole.length), `the replay ${what}`);
      followed.due.push(...recovery.whole.filter(manner.filter.passes));
    } else {
      this.#expect(String(message.recovered), String(recovery?.ok), `"recovered" ${what}`);
      this.#expect(
        message.reason,
        recovery?.ok === false ? recovery.reason : undefined,
        `the reason ${what}`,
      );
      const replayed = recovery?.ok === true ? recovery.events.length : 0;
      this.#expect(String(message.replayed), String(replayed), `the replay ${what}`);
    }
    // Behind a replay, that is in order with it.
    this.#notePlace(client, name, message.position ?? message.cursor);
    if (message.replayed === 0) this.#notePlace(client, name, message.cursor);
  }

  #hearPosition(client: Follower, message: ServerMessage & { type: 'position' }): void {
    for (const { name, due } of client.followed.values()) {
      if (message.topic !== undefined && message.topic !== name) continue;
      for (const place of [message.position, message.cursor]) {
        if (place === undefined) continue;
        this.#notePlace(client, name, place);
        const rest = this.#model.since(name, place);
        const events = rest.ok ? rest.events : (rest.whole ?? []);
        const missed = due.find((event) => !events.includes(event) && !event.deleted);
        if (missed !== undefined) {
          this.problems.push(
            `${name} was told ${place} before it got ${missed.topic} ${formatPosition(missed)}`,
          );
        }
      }
    }
  }

  #assertNothingDue({ followed }: Follower): void {
    for (const each of followed.values()) {
      const [missing] = each.due;
      if (missing !== undefined) {
        const more = each.due.length - 1;
        this.problems.push(
          `${each.name} never got ${missing.topic} ${formatPosition(missing)}${more > 0 ? ` and ${more} more` : ''}`,
        );
      }
      each.due = [];
    }
  }

  /** What a client that did not read for a while got in the end, by the policy of each subscription. */
  #lookBack(client: Follower): void {
    const { wire, followed } = client;
    client.isBehind = false;
    if (wire.closed !== undefined) {
      const mayEnd = [...followed.values()].some(({ manner }) => manner.slow === 'disconnect');
      // It was not heard for too long, or too slow.
      const allowed = wire.closed === 4001 || (mayEnd && wire.closed === 4004);
      if (!allowed) this.problems.push(`a slow client was closed with ${wire.closed}`);
      this.cut(client);
      return;
    }
    const heard = wire.take();
    // What waits has bounds that the subscriptions of a session share.
    const dropping = [...followed.values()].filter(({ manner: { slow } }) => isDropping(slow));
    for (const { name, manner, due } of followed.values()) {
      const { slow = 'catchup' } = manner;
      const alone = dropping.length === 1;
      this.problems.push(...judgeSlow({ name, slow, alone, due: due.splice(0) }, heard));
    }
    for (const message of heard) if (message.type === 'position') this.#hearPosition(client, message);
  }

  #notePlace({ places }: Follower, name: string, place: string): void {
    const known = places.get(name);
    if (known === undefined) places.set(name, [place]);
    else if (known.at(-1) !== place) known.push(place);
  }

  #expect(actual: string | undefined, expected: string | undefined, what: string): void {
    if (actual === expected) return;
    this.problems.push(`${what} should be ${expected}, and is ${actual} (at ${this.#time.monotonic()} ms)`);
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

const STEPS = {
  publish: (run: Run, which: number, amount: number) => run.publish(which, amount),
  subscribe: (run: Run, which: number, amount: number) =>
    run.subscribe(run.client(which), which >> 1, amount),
  subscribeSinceSnapshot: (run: Run, which: number) =>
    run.subscribeSinceSnapshot(run.client(which), which >> 1),
  unsubscribe: (run: Run, which: number, amount: number) => run.unsubscribe(run.client(which), amount),
  cut: (run: Run, which: number) => run.cut(run.client(which)),
  stopReading: (run: Run, which: number) => run.stopReading(run.client(which)),
  read: (run: Run, which: number) => run.read(run.client(which)),
  delete: (run: Run, which: number) => run.delete(which),
  trim: (run: Run, which: number, amount: number) => run.trim(which, amount),
  restart: (run: Run, which: number) => run.restart(which),
  consume: (run: Run, which: number) => run.consume(which),
  leave: (run: Run, which: number) => run.leave(which),
  acknowledge: (run: Run, which: number, amount: number) => run.acknowledge(which, amount),
  cutDevice: (run: Run, which: number) => run.cutDevice(which),
  pass: (run: Run, _: number, amount: number) => run.settle((1 + (amount % 9)) * 500),
} as const;

type Step = readonly [kind: keyof typeof STEPS, which: number, amount: number];

const WEIGHTS: Record<keyof typeof STEPS, number> = {
  publish: 10,
  subscribe: 9,
  subscribeSinceSnapshot: 3,
  unsubscribe: 1,
  cut: 4,
  stopReading: 2,
  read: 3,
  delete: 1,
  trim: 1,
  restart: 1,
  consume: 3,
  leave: 1,
  acknowledge: 3,
  cutDevice: 1,
  pass: 3,
};

const steps = fc.array(
  fc.tuple(
    fc.oneof(
      ...Object.entries(WEIGHTS).map(([kind, weight]) => ({
        weight,
        arbitrary: fc.constant(kind as keyof typeof STEPS),
      })),
    ),
    fc.nat(19),
    fc.nat(29),
  ),
  { minLength: 3, maxLength: 40, size: 'max' },
);

const setup: fc.Arbitrary<Setup> = fc.record({
  retention: fc.constantFrom('all', 'few', 'young'),
  maxRecentBytes: fc.constantFrom(1_000_000, 1000, 400, 150, 1),
});

async function runModel([setup, steps]: readonly [Setup, readonly Step[]]): Promise<string[]> {
  const run = new Run(setup);
  await run.settle();
  for (const [kind, which, amount] of steps) {
    await STEPS[kind](run, which, amount);
    await run.settle();
    // What follows the first wrong answer says nothing.
    if (run.problem) break;
  }
  return run.end();
}

export const modelProof: SequenceProof<readonly [Setup, readonly Step[]]> = {
  name: 'model',
  share: 60,
  sequences: fc.tuple(setup, steps),
  run: runModel,
};
