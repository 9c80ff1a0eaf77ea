import {
  type Cursor,
  formatCursor,
  MAX_LAST_OF_PATTERN,
  MillraceError,
  type Position,
  type RecoveryFailure,
} from '@millrace/protocol';
import {
  type Engine,
  isCursor,
  type ReadFrom,
  type ReadResult,
  type ReadSinceFrom,
} from '../engine/engine.ts';
import { laterCursor } from './cursor-clock.ts';
import { type LeadingSnapshots, LogReader, PAGE, type ReaderHost } from './log-reader.ts';
import { PatternSource, TopicSource } from './log-source.ts';
import { readByCursor } from './read-by-cursor.ts';
import type { SnapshotSource } from './snapshot.ts';
import type { Subscription } from './subscription.ts';

/** Where a subscription begins. */
export type Start = LogStart | { readonly kind: 'snapshot' };

/** A place in the log, or one that the log can find. */
export type LogStart =
  | { readonly kind: 'now' }
  | { readonly kind: 'earliest' }
  | ({ readonly kind: 'position'; readonly position: Position; readonly id?: string } & Resuming)
  | ({ readonly kind: 'cursor'; readonly cursor: Cursor } & Resuming)
  | { readonly kind: 'last'; readonly count: number }
  | { readonly kind: 'time'; readonly timeMs: number };

interface Resuming {
  /** Where not everything after it can be had, it begins with a snapshot, as if that had been asked for. */
  readonly orSnapshot?: boolean;
}

/** What a client is told before the first event of a subscription. */
export interface Opened {
  /** The topic's head; missing for patterns. */
  readonly position?: Position;
  readonly cursor: string;
  readonly recovered?: boolean;
  readonly reason?: RecoveryFailure;
  readonly replayed: number;
  readonly sealed: boolean;
  /** How many snapshots come before the replay; missing when none was asked for. */
  readonly snapshots?: number;
}

export interface OpeningsOptions {
  readonly engine: Engine;
  readonly readers: ReaderHost;
  readonly snapshots: SnapshotSource;
  readonly counters: { recoveries: number; failedRecoveries: number; recoveredEvents: number };
}

/** Where the log is read from, and what is given before. */
interface Beginning {
  readonly start: LogStart;
  /** There is another way to begin. */
  readonly mayFail: boolean;
  readonly snapshots?: LeadingSnapshots;
}

/** How often a snapshot is taken for one subscription before its log counts as too fast. */
const MAX_ATTEMPTS = 8;

/** Begins subscriptions: finds where they start, says what follows, and sets them reading or live. */
export class Openings {
  readonly #options: OpeningsOptions;

  constructor(options: OpeningsOptions) {
    this.#options = options;
  }

  /** Calls `onOpened` once, before any event of the subscription is given. Rejects when the log cannot be read. */
  async open(subscription: Subscription, start: Start, onOpened: (opened: Opened) => void): Promise<void> {
    if (start.kind !== 'snapshot') {
      const mayFail = 'orSnapshot' in start && start.orSnapshot === true;
      if (await this.#openAt(subscription, { start, mayFail }, onOpened)) return;
    }
    await this.#openAfterSnapshot(subscription, onOpened);
  }

  /** Takes the snapshot anew when trimming or a deletion has overtaken it. */
  async #openAfterSnapshot(subscription: Subscription, onOpened: (opened: Opened) => void): Promise<void> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const beginning = await this.#takeSnapshots(subscription);
      if (subscription.ended) return;
      if (await this.#openAt(subscription, beginning, onOpened)) return;
    }
    throw new MillraceError(
      'unavailable',
      `events of "${subscription.name}" are removed faster than a snapshot can be followed up; try again`,
    );
  }

  async #takeSnapshots({ selection, subscriber: { feed } }: Subscription): Promise<Beginning> {
    const { snapshots: source } = this.#options;
    if (selection.kind === 'topic') {
      const snapshot = await source.ofTopic(feed.entity, selection.topic);
      const { position, place } = snapshot;
      return { start: { kind: 'position', position }, mayFail: true, snapshots: { all: [snapshot], place } };
    }
    const { cursor, snapshots: all } = await source.ofPatterns(feed.entity, selection.patterns);
    return {
      start: { kind: 'cursor', cursor },
      mayFail: true,
      snapshots: { all, place: formatCursor(cursor) },
    };
  }

  /** False when it may fail, and the log does not reach back to where it begins; then nothing was told. */
  #openAt(
    subscription: Subscription,
    beginning: Beginning,
    onOpened: (opened: Opened) => void,
  ): Promise<boolean> {
    const { selection } = subscription;
    if (selection.kind === 'topic')
      return this.#openTopic(subscription, selection.topic, beginning, onOpened);
    return this.#openPatterns(subscription, selection.patterns, beginning, onOpened);
  }

  async #openTopic(
    subscription: Subscription,
    topic: string,
    { start, mayFail, snapshots }: Beginning,
    onOpened: (opened: Opened) => void,
  ): Promise<boolean> {
    const { subscriber } = subscription;
    const { feed } = subscriber;
    const cursor = feed.cursor.cursorText();
    const asked = start.kind !== 'now';
    const source = new TopicSource(feed.entity, topic, start.kind === 'position' ? start.position : NOWHERE);
    const reader = new LogReader(subscription, source, feed, this.#options.readers, { lagging: false });
    subscription.state = { kind: 'reading', reader };

    const known = start.kind === 'position' ? feed.knownSince(topic, start.position, start.id) : undefined;
    if (known !== undefined) {
      const replayed = known.offset - source.position.offset;
      this.#countRecovery(asked, true, replayed);
      const position = { epoch: known.epoch, offset: known.offset };
      onOpened({
        position,
        cursor,
        recovered: true,
        replayed,
        sealed: known.sealed,
        ...(snapshots && { snapshots: snapshots.all.length }),
      });
      reader.begin(snapshots, () => this.#options.readers.turns.add(reader));
      return true;
    }

    // Live events wait from here on, so that the head that is read below and what follows it fit together.
    reader.register();
    const first = await this.#readFirst(feed.entity, topic, start);
    if (reader.ended) return true;
    if (!first.ok && mayFail) {
      reader.end();
      return false;
    }
    const replayed = first.ok ? first.events.length + first.behind : 0;
    this.#countRecovery(asked, first.ok, replayed);
    onOpened({
      position: first.head,
      cursor,
      ...(asked && { recovered: first.ok }),
      ...(!first.ok && { reason: first.reason }),
      replayed,
      sealed: first.sealed,
      ...(snapshots && { snapshots: snapshots.all.length }),
    });
    source.moveTo(first.ok ? first.position : first.head, first.seq);
    const page = { ok: true, events: [], behind: 0, ...(first.ok && first) } as const;
    const before = source.cursorClock();
    reader.begin(snapshots, () => reader.proceed(page, before));
    return true;
  }

  #readFirst(entity: string, topic: string, start: LogStart): Promise<ReadResult> {
    const { engine } = this.#options;
    if (start.kind === 'cursor') return readByCursor(engine, entity, topic, start.cursor, PAGE);
    return engine.read(entity, topic, readFrom(start), PAGE);
  }

  async #openPatterns(
    subscription: Subscription,
    patterns: readonly string[],
    { start, mayFail, snapshots }: Beginning,
    onOpened: (opened: Opened) => void,
  ): Promise<boolean> {
    const { subscriber } = subscription;
    const { feed } = subscriber;
    const now = feed.cursor.now();
    const cursor = feed.cursor.cursorText();
    if (start.kind === 'now') {
      subscription.state = { kind: 'live', read: new PatternSource(feed.entity, patterns, now) };
      feed.register(subscription);
      onOpened({ cursor, replayed: 0, sealed: false });
      return true;
    }
    const from = sinceFrom(start);
    const source = new PatternSource(feed.entity, patterns, from);
    const reader = new LogReader(subscription, source, feed, this.#options.readers, { lagging: false });
    subscription.state = { kind: 'reading', reader };
    const known = isCursor(from) ? feed.readPatterns(patterns, from, PAGE)?.page : undefined;
    if (known !== undefined && !known.more) {
      const replayed = known.entries.length;
      this.#countRecovery(true, true, replayed);
      onOpened({
        cursor,
        recovered: true,
        replayed,
        sealed: false,
        ...(snapshots && { snapshots: snapshots.all.length }),
      });
      reader.begin(snapshots, () => this.#options.readers.turns.add(reader));
      return true;
    }
    const first = await reader.readFirst();
    if (reader.ended) return true;
    const replayed = first.ok ? first.events.length + first.behind : 0;
    this.#countRecovery(true, first.ok, replayed);
    if (first.ok) {
      onOpened({
        cursor,
        recovered: true,
        replayed,
        sealed: false,
        ...(snapshots && { snapshots: snapshots.all.length }),
      });
      // The events of the first page must carry a place to resume from, wherever it was found to begin.
      const before = source.clockBeforePage();
      reader.begin(snapshots, () => reader.proceed(first, before));
      return true;
    }
    reader.end();
    if (mayFail) return false;
    // The log may be ahead of live delivery, and the client have read so far: what it is not told now must not come again.
    const stored = await this.#options.engine.cursor(feed.entity);
    if (subscription.ended) return true;
    const head = laterCursor(stored, feed.cursor.now());
    this.#options.readers.join(subscription, new PatternSource(feed.entity, patterns, head));
    onOpened({
      cursor: formatCursor(head),
      recovered: false,
      reason: first.reason,
      replayed: 0,
      sealed: false,
    });
    return true;
  }

  #countRecovery(asked: boolean, recovered: boolean, replayed: number): void {
    if (!asked) return;
    const { counters } = this.#options;
    counters.recoveredEvents += replayed;
    if (recovered) counters.recoveries++;
    else counters.failedRecoveries++;
  }
}

/** Where the replay of patterns begins; for `now`, which has none, the head. Throws a `MillraceError` (`bad-position`). */
export function sinceFrom(start: LogStart): ReadSinceFrom {
  switch (start.kind) {
    case 'now':
      return { last: 0 };
    case 'earliest':
      return 'earliest';
    case 'cursor':
      return start.cursor;
    case 'last':
      if (start.count <= MAX_LAST_OF_PATTERN) return { last: start.count };
      throw new MillraceError(
        'bad-position',
        `last: at most ${MAX_LAST_OF_PATTERN} events of a pattern; use a time or "earliest"`,
      );
    case 'time':
      return { time: start.timeMs };
    case 'position':
      throw new MillraceError(
        'bad-position',
        'a position resumes one topic; several topics and patterns are resumed by a cursor',
      );
  }
}

/** A position that no log has; it is replaced by the first read. */
const NOWHERE: Position = { epoch: '', offset: 0 };

function readFrom(start: Exclude<LogStart, { kind: 'cursor' }>): ReadFrom {
  switch (start.kind) {
    case 'now':
      return { last: 0 };
    case 'earliest':
      return { earliest: true };
    case 'last':
      return { last: start.count };
    case 'time':
      return { time: start.timeMs };
    case 'position':
      return { after: start.position, ...(start.id !== undefined && { id: start.id }) };
  }
}
