import type { Client, Gap, SubscribeOptions, Subscription } from '@millrace/client';
import {
  hasWildcard,
  type MillraceEvent,
  matchesPattern,
  parseCursor,
  parsePosition,
} from '@millrace/protocol';
import type { EngineSlot, Retention } from '../packages/server/src/engine/engine.ts';
import type { Committed, History, Moment } from './history.ts';
import { slotOf } from './simulated-server.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Where the application asked to begin. */
export type Begin =
  | { readonly kind: 'now' }
  | { readonly kind: 'earliest' }
  /** A place that another reader of the same name had come to. */
  | { readonly kind: 'place'; readonly since: string };

/** Filter, batches and policy of a subscription. */
export type Asks = Pick<SubscribeOptions, 'filter' | 'batch' | 'slow'>;

interface Told extends Moment {
  readonly gap: Gap;
}

/** Why a slow reader is spared events, by its own policy. */
const SPARED: readonly Gap['reason'][] = ['slow', 'conflated'];

const END: Moment = { tick: Infinity, atMs: Infinity };

interface Taken extends Moment {
  readonly topic: string;
  readonly epoch: string;
  readonly offset: number;
}

/** An application that reads one topic or pattern with the SDK, and remembers everything it was told. */
export class SimulatedReader {
  readonly name: string;
  readonly subscription: Subscription;
  readonly asks: Asks;
  readonly problems: string[] = [];
  readonly #history: History;
  readonly #time: VirtualTime;
  readonly #retention: Retention;
  readonly #matches: (event: Committed) => boolean;
  readonly #begin: Begin;
  readonly #openedTick: number;
  readonly #taken: Taken[] = [];
  readonly #gaps: Told[] = [];
  /** Of a reader that begins with what comes next: the first place it was told. */
  #start: string | undefined;
  #firstCursor: Moment | undefined;
  #failed: string | undefined;

  constructor(options: {
    client: Client;
    name: string;
    begin: Begin;
    history: History;
    time: VirtualTime;
    readonly retention: Retention;
    /** What the subscription asks for beside its beginning. */
    readonly asks?: Asks;
    /** What the filter among it lets through. */
    readonly matches?: ((event: Committed) => boolean) | undefined;
    /** Reads with a loop that takes this long over an event, in ms; else with a listener. */
    pause?: ((task: () => void) => void) | undefined;
  }) {
    const { client, name, begin, history, time, pause } = options;
    this.name = name;
    this.asks = options.asks ?? {};
    this.#history = history;
    this.#time = time;
    this.#retention = options.retention;
    this.#begin = begin;
    this.#openedTick = time.tick;
    this.#matches = options.matches ?? (() => true);
    const since = begin.kind === 'place' ? begin.since : begin.kind === 'earliest' ? 'earliest' : undefined;
    const subscription = client.topic(name, {
      since,
      ...options.asks,
      maxBufferedEvents: pause === undefined ? 1000 : 4,
    });
    this.subscription = subscription;
    subscription.on('gap', (gap) => this.#gaps.push({ ...this.#now(), gap }));
    subscription.on('error', (error) => {
      this.#failed = String(error);
    });
    subscription.on('subscribed', () => {
      this.#start ??= subscription.position ?? subscription.cursor;
      this.#noteCursor();
    });
    if (pause === undefined) subscription.on('event', (event) => this.#take(event));
    else void this.#loop(pause);
  }

  get closed(): boolean {
    return this.subscription.closed;
  }

  /** A place to go on from, where there is one. */
  place(preferCursor: boolean): string | undefined {
    const { position, cursor } = this.subscription;
    return preferCursor ? (cursor ?? position) : (position ?? cursor);
  }

  /** A place says that everything up to it has been handed over: what has not. */
  missingBefore(place: string): string[] {
    const taken = new Set(this.#taken.map(({ topic, epoch, offset }) => `${topic}:${epoch}:${offset}`));
    return this.#history.topics
      .filter((topic) => matchesPattern(this.name, topic))
      .flatMap((topic) => {
        const events = this.#history.of(topic);
        const missing = events
          .slice(this.#startIndex(events), this.#indexAfter(place, events))
          .find((event) => {
            if (!this.#matches(event)) return false;
            if (taken.has(`${topic}:${event.epoch}:${event.offset}`)) return false;
            return !(
              this.#isExcused(event) ||
              this.#wasGoneAtStart(event, undefined) ||
              this.#isBeforeJoining(event)
            );
          });
        if (missing === undefined) return [];
        const { epoch, offset } = missing;
        return [`${this.name}: stands at ${place}, and was not given ${topic} ${epoch}:${offset}`];
      });
  }

  /** What is wrong, when everything has happened. */
  verdict(): string[] {
    const problems = [...this.problems];
    if (this.#failed !== undefined) problems.push(`${this.name}: failed: ${this.#failed}`);
    if (this.closed) return problems;
    if (this.#begin.kind === 'now' && this.#start === undefined) {
      return [...problems, `${this.name}: was never told where it begins`];
    }
    for (const topic of this.#history.topics) {
      if (matchesPattern(this.name, topic)) this.#judge(topic, problems);
    }
    for (const told of this.#gaps) {
      if (!SPARED.includes(told.gap.reason) && !this.#isJustified(told)) {
        problems.push(`${this.name}: was told a gap that there is no cause for: ${JSON.stringify(told.gap)}`);
      }
    }
    return problems;
  }

  async #loop(pause: (task: () => void) => void): Promise<void> {
    try {
      for await (const event of this.subscription) {
        this.#take(event);
        await new Promise<void>((resolve) => pause(resolve));
      }
    } catch (error) {
      this.#failed = String(error);
    }
  }

  #now(): Moment {
    return { tick: this.#time.tick, atMs: this.#time.monotonic() };
  }

  #noteCursor(): void {
    if (this.subscription.cursor !== undefined) this.#firstCursor ??= this.#now();
  }

  #take({ topic, epoch, offset }: MillraceEvent): void {
    if (!matchesPattern(this.name, topic)) this.problems.push(`${this.name}: got ${topic}, unasked`);
    this.#noteCursor();
    this.#taken.push({ ...this.#now(), topic, epoch, offset });
  }

  /** Every event after the start exactly once and in order, except for what a gap was told of in time. */
  #judge(topic: string, problems: string[]): void {
    const events = this.#history.of(topic);
    const expected = events.slice(this.#startIndex(events)).filter(this.#matches);
    const taken = this.#taken.filter((each) => each.topic === topic);
    let next = 0;
    for (const [at, event] of expected.entries()) {
      const got = taken[next];
      if (got !== undefined && got.epoch === event.epoch && got.offset === event.offset) {
        next++;
        continue;
      }
      if (this.#isExcused(event) || this.#wasGoneAtStart(event, taken[0])) continue;
      if (next === 0 && this.#isBeforeJoining(event)) continue;
      const wanted = `${event.epoch}:${event.offset}`;
      const was = got === undefined ? 'nothing' : `${got.epoch}:${got.offset}`;
      problems.push(
        `${this.name}: of ${topic}, event ${at + 1} of ${expected.length} after the start should be ${wanted} and was ${was}`,
      );
      return;
    }
    const extra = taken[next];
    if (extra !== undefined) {
      problems.push(
        `${this.name}: of ${topic}, ${extra.epoch}:${extra.offset} came out of order, twice, or from before the start`,
      );
    }
  }

  #isExcused({ topic, tick, offset }: Committed): boolean {
    return this.#gaps.some(({ tick: toldAt, gap }) => {
      if (toldAt < tick || (gap.topic !== topic && gap.topic !== this.name)) return false;
      return gap.from === undefined || gap.to === undefined || (gap.from <= offset && offset <= gap.to);
    });
  }

  /**
   * Reading from the earliest begins with the earliest that is kept, and once more as long as there is no place to go on
   * from: the first event of a topic, the first cursor of a pattern.
   */
  #wasGoneAtStart(event: Committed, first: Moment | undefined): boolean {
    if (this.#begin.kind !== 'earliest') return false;
    return this.#isGone(event, (hasWildcard(this.name) ? this.#firstCursor : first) ?? END);
  }

  /** A reader that joins another of the same pattern is told that one's last cursor, and given what comes next. */
  #isBeforeJoining({ tick }: Committed): boolean {
    return this.#begin.kind === 'now' && tick <= this.#openedTick;
  }

  #isGone(event: Committed, by: Moment): boolean {
    return this.#history.isGone(event, by, this.#retention);
  }

  #startIndex(events: readonly Committed[]): number {
    if (this.#begin.kind === 'earliest') return 0;
    return this.#indexAfter(this.#begin.kind === 'place' ? this.#begin.since : (this.#start ?? ''), events);
  }

  /** Index of the first of a topic's events that comes after a place. */
  #indexAfter(place: string, events: readonly Committed[]): number {
    const index = events.findIndex(afterPlace(place));
    return index === -1 ? events.length : index;
  }

  /** The log had become another log, maybe before this reader joined one that had not noticed, or lost what it had still to get. */
  #isJustified(by: Moment): boolean {
    const broken = this.#history.breaks.some(
      ({ tick, slot, topic }) =>
        tick <= by.tick &&
        (topic === undefined ? mayMatch(this.name, slot) : matchesPattern(this.name, topic)),
    );
    if (broken) return true;
    const exact = !hasWildcard(this.name) && this.#begin.kind !== 'place';
    for (const topic of this.#history.topics) {
      if (!matchesPattern(this.name, topic)) continue;
      const events = this.#history.of(topic);
      for (const event of exact ? events.slice(this.#startIndex(events)) : events) {
        // A cursor may stand before what was received since.
        const wanted = !exact || !this.#hadTaken(event, by.tick);
        if (wanted && event.tick <= by.tick && this.#isGone(event, by)) return true;
      }
    }
    return false;
  }

  #hadTaken({ epoch, offset }: Committed, tick: number): boolean {
    return this.#taken.some((each) => each.epoch === epoch && each.offset === offset && each.tick <= tick);
  }
}

/** Tells what comes after a position or cursor. */
function afterPlace(place: string): (event: Committed) => boolean {
  const position = parsePosition(place);
  if (position === undefined) {
    const cursor = parseCursor(place) ?? {};
    return (event) => {
      const part = cursor[event.slot];
      const engine = engineOf(part?.epoch ?? '');
      if (engine !== event.engineEpoch) return isLaterEngine(event.engineEpoch, engine);
      return event.seq > (part?.seqs[0] ?? 0);
    };
  }
  const engine = engineOf(position.epoch);
  const [, birth = ''] = position.epoch.split('-');
  return (event) => {
    if (event.epoch === position.epoch) return event.offset > position.offset;
    if (engine !== event.engineEpoch) return isLaterEngine(event.engineEpoch, engine);
    // Of another life: that it came later shows in the place of the event that the life began with.
    return event.seq >= Number.parseInt(birth, 36);
  };
}

/** Engines that take each other's place are numbered: `d1`, `d3`. */
function isLaterEngine(epoch: string, than: string): boolean {
  return Number(epoch.slice(1)) > Number(than.slice(1));
}

/** The engine's own part of an epoch. */
function engineOf(epoch: string): string {
  return epoch.split('-')[0] ?? '';
}

function mayMatch(name: string, slot: EngineSlot): boolean {
  return name.startsWith('*') || slotOf(name) === slot;
}
