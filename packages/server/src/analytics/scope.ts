import { Histogram, type HistogramReading } from '../metrics/histogram.ts';
import { FlapDetector, type FlapState } from './flap-detector.ts';
import { TimeRing, type TimeRingState } from './time-ring.ts';
import { type NamedCount, TopCounts } from './top-counts.ts';

/** What is counted by minute, for three hours, and by hour, for a week. */
export const RHYTHM_FIELDS = ['opened', 'resumed', 'published', 'errors', 'users'] as const;
export type RhythmField = (typeof RHYTHM_FIELDS)[number];

const MINUTES = { slotMs: 60_000, slots: 180, fields: RHYTHM_FIELDS } as const;
const HOURS = { slotMs: 3_600_000, slots: 168, fields: RHYTHM_FIELDS } as const;

/** In seconds. */
export const DURATION_BOUNDS_S = [10, 60, 300, 900, 3600, 14_400] as const;
const CONNECTING_BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

/** Topics, patterns and event names that are told apart. */
const MAX_NAMES = 50;

type Seen = Omit<HistogramReading, 'bounds'>;

/** A scope as it is stored. */
export interface ScopeState {
  readonly version: 1;
  readonly sinceMs: number;
  readonly totals: ScopeTotals;
  readonly durations: Seen;
  readonly connecting: Seen;
  readonly minutes: TimeRingState;
  readonly hours: TimeRingState;
  readonly doors: readonly NamedCount[];
  readonly topics: readonly NamedCount[];
  readonly subscriptions: readonly NamedCount[];
  readonly events: readonly NamedCount[];
  readonly failures: readonly NamedCount[];
  readonly flapping: FlapState;
}

export interface ScopeTotals {
  opened: number;
  /** Messages from clients, of sessions that have ended, as the seconds they lasted. */
  messages: number;
  sessionSeconds: number;
  /** The most users at once. */
  peakUsers: number;
}

/** A session that has ended. */
export interface EndedSession {
  readonly userId: string;
  readonly durationMs: number;
  readonly messages: number;
  /** Topics and patterns. */
  readonly topics: readonly string[];
}

/**
 * What there is to say of the sessions and events of one entity, or of a node: a fold of what happens, each thing at its own time, into a
 * state whose size has a bound, whatever happens.
 */
export class Scope {
  readonly sinceMs: number;
  readonly totals: ScopeTotals;
  readonly durations: Histogram = new Histogram(DURATION_BOUNDS_S);
  readonly connecting: Histogram = new Histogram(CONNECTING_BOUNDS_MS);
  readonly minutes: TimeRing<RhythmField>;
  readonly hours: TimeRing<RhythmField>;
  readonly doors: TopCounts;
  /** Events published, by topic. */
  readonly topics: TopCounts;
  /** Sessions that ended, by what they were subscribed to. */
  readonly subscriptions: TopCounts;
  /** Events published, by name. */
  readonly events: TopCounts;
  /** Connections that did not become sessions, by code. */
  readonly failures: TopCounts;
  readonly flapping: FlapDetector;
  /** Whether something happened since this was last set to false. */
  changed = false;
  /** The sessions of each user that are open now. */
  readonly #users = new Map<string, number>();

  constructor(nowMs: number, state?: ScopeState) {
    this.sinceMs = state?.sinceMs ?? nowMs;
    this.totals = { opened: 0, messages: 0, sessionSeconds: 0, peakUsers: 0, ...state?.totals };
    if (state !== undefined) {
      this.durations.merge(state.durations);
      this.connecting.merge(state.connecting);
    }
    this.minutes = new TimeRing(MINUTES, state?.minutes);
    this.hours = new TimeRing(HOURS, state?.hours);
    this.doors = new TopCounts(MAX_NAMES, state?.doors);
    this.topics = new TopCounts(MAX_NAMES, state?.topics);
    this.subscriptions = new TopCounts(MAX_NAMES, state?.subscriptions);
    this.events = new TopCounts(MAX_NAMES, state?.events);
    this.failures = new TopCounts(MAX_NAMES, state?.failures);
    this.flapping = new FlapDetector(state?.flapping);
  }

  get activeUsers(): number {
    return this.#users.size;
  }

  opened(userId: string, door: string, connectingMs: number, atMs: number): void {
    this.#users.set(userId, (this.#users.get(userId) ?? 0) + 1);
    this.totals.opened++;
    this.totals.peakUsers = Math.max(this.totals.peakUsers, this.#users.size);
    this.doors.add(door);
    this.connecting.observe(connectingMs);
    this.#count('opened', atMs);
    this.minutes.raise('users', atMs, this.#users.size);
    this.hours.raise('users', atMs, this.#users.size);
  }

  /** To be called now and then: users who stay count in every hour. */
  sample(atMs: number): void {
    if (this.#users.size === 0) return;
    this.changed = true;
    this.minutes.raise('users', atMs, this.#users.size);
    this.hours.raise('users', atMs, this.#users.size);
  }

  resumed(atMs: number): void {
    this.#count('resumed', atMs);
  }

  closed({ userId, durationMs, messages, topics }: EndedSession, atMs: number): void {
    const left = (this.#users.get(userId) ?? 1) - 1;
    if (left > 0) this.#users.set(userId, left);
    else this.#users.delete(userId);
    this.totals.messages += messages;
    this.totals.sessionSeconds += durationMs / 1000;
    this.durations.observe(durationMs / 1000);
    for (const topic of topics) this.subscriptions.add(topic);
    this.flapping.closed(userId, durationMs, atMs);
    this.changed = true;
  }

  /** A connection ended before anybody was known, or was turned away. */
  failed(code: string): void {
    this.failures.add(code);
    this.changed = true;
  }

  published(count: number, atMs: number): void {
    this.#count('published', atMs, count);
  }

  /** The same by what it was; a node leaves that to its entities. */
  publishedTo(topic: string, event: string): void {
    this.topics.add(topic);
    this.events.add(event);
  }

  erred(atMs: number): void {
    this.#count('errors', atMs);
  }

  /** All but who is connected, which a restart ends. */
  stateAt(nowMs: number): ScopeState {
    return {
      version: 1,
      sinceMs: this.sinceMs,
      totals: { ...this.totals },
      durations: seen(this.durations),
      connecting: seen(this.connecting),
      minutes: this.minutes.state,
      hours: this.hours.state,
      doors: this.doors.top(),
      topics: this.topics.top(),
      subscriptions: this.subscriptions.top(),
      events: this.events.top(),
      failures: this.failures.top(),
      flapping: this.flapping.stateAt(nowMs),
    };
  }

  #count(field: RhythmField, atMs: number, count = 1): void {
    this.changed = true;
    this.minutes.add(field, atMs, count);
    this.hours.add(field, atMs, count);
  }
}

function seen(histogram: Histogram): Seen {
  const { bounds: _, ...rest } = histogram.read();
  return rest;
}
