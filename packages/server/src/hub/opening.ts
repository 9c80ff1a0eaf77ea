import {
  type Cursor,
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
import { LogReader, PAGE, type ReaderHost } from './log-reader.ts';
import { PatternSource, TopicSource } from './log-source.ts';
import { readByCursor } from './read-by-cursor.ts';
import type { Subscription } from './subscription.ts';

/** Where a subscription begins. */
export type Start =
  | { readonly kind: 'now' }
  | { readonly kind: 'earliest' }
  | { readonly kind: 'position'; readonly position: Position; readonly id?: string }
  | { readonly kind: 'cursor'; readonly cursor: Cursor }
  | { readonly kind: 'last'; readonly count: number }
  | { readonly kind: 'time'; readonly timeMs: number };

/** What a client is told before the first event of a subscription. */
export interface Opened {
  /** The topic's head; missing for patterns. */
  readonly position?: Position;
  readonly cursor: string;
  readonly recovered?: boolean;
  readonly reason?: RecoveryFailure;
  readonly replayed: number;
  readonly sealed: boolean;
}

export interface OpeningsOptions {
  readonly engine: Engine;
  readonly readers: ReaderHost;
  readonly counters: { recoveries: number; failedRecoveries: number; recoveredEvents: number };
}

/** Begins subscriptions: finds where they start, says what follows, and sets them reading or live. */
export class Openings {
  readonly #options: OpeningsOptions;

  constructor(options: OpeningsOptions) {
    this.#options = options;
  }

  /** Calls `onOpened` once, before any event of the subscription is given. Rejects when the log cannot be read. */
  async open(subscription: Subscription, start: Start, onOpened: (opened: Opened) => void): Promise<void> {
    const { selection } = subscription;
    if (selection.kind === 'topic') await this.#openTopic(subscription, selection.topic, start, onOpened);
    else await this.#openPatterns(subscription, selection.patterns, start, onOpened);
  }

  async #openTopic(
    subscription: Subscription,
    topic: string,
    start: Start,
    onOpened: (opened: Opened) => void,
  ): Promise<void> {
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
      onOpened({ position, cursor, recovered: true, replayed, sealed: known.sealed });
      this.#options.readers.turns.add(reader);
      return;
    }

    // Live events wait from here on, so that the head that is read below and what follows it fit together.
    reader.register();
    const first = await this.#readFirst(feed.entity, topic, start);
    if (reader.ended) return;
    const replayed = first.ok ? first.events.length + first.behind : 0;
    this.#countRecovery(asked, first.ok, replayed);
    onOpened({
      position: first.head,
      cursor,
      ...(asked && { recovered: first.ok }),
      ...(!first.ok && { reason: first.reason }),
      replayed,
      sealed: first.sealed,
    });
    source.moveTo(first.ok ? first.position : first.head, first.seq);
    reader.proceed({ ok: true, events: [], behind: 0, ...(first.ok && first) }, source.cursorClock());
  }

  #readFirst(entity: string, topic: string, start: Start): Promise<ReadResult> {
    const { engine } = this.#options;
    if (start.kind === 'cursor') return readByCursor(engine, entity, topic, start.cursor, PAGE);
    return engine.read(entity, topic, readFrom(start), PAGE);
  }

  async #openPatterns(
    subscription: Subscription,
    patterns: readonly string[],
    start: Start,
    onOpened: (opened: Opened) => void,
  ): Promise<void> {
    const { subscriber } = subscription;
    const { feed } = subscriber;
    const now = feed.cursor.now();
    const cursor = feed.cursor.cursorText();
    if (start.kind === 'now') {
      subscription.state = { kind: 'live', read: new PatternSource(feed.entity, patterns, now) };
      feed.register(subscription);
      onOpened({ cursor, replayed: 0, sealed: false });
      return;
    }
    const from = sinceFrom(start);
    const source = new PatternSource(feed.entity, patterns, from);
    const reader = new LogReader(subscription, source, feed, this.#options.readers, { lagging: false });
    subscription.state = { kind: 'reading', reader };
    const known = isCursor(from) ? feed.readPatterns(patterns, from, PAGE.maxBytes)?.page : undefined;
    if (known !== undefined && !known.more) {
      const replayed = known.entries.length;
      this.#countRecovery(true, true, replayed);
      onOpened({ cursor, recovered: true, replayed, sealed: false });
      this.#options.readers.turns.add(reader);
      return;
    }
    const first = await reader.readFirst();
    if (reader.ended) return;
    const replayed = first.ok ? first.events.length + first.behind : 0;
    this.#countRecovery(true, first.ok, replayed);
    if (first.ok) {
      onOpened({ cursor, recovered: true, replayed, sealed: false });
      // The events of the first page must carry a place to resume from, wherever it was found to begin.
      reader.proceed(first, source.clockBeforePage());
      return;
    }
    reader.end();
    const head = feed.cursor.now();
    subscription.state = { kind: 'live', read: new PatternSource(feed.entity, patterns, head) };
    feed.register(subscription);
    onOpened({
      cursor: feed.cursor.cursorText(),
      recovered: false,
      reason: first.reason,
      replayed: 0,
      sealed: false,
    });
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
export function sinceFrom(start: Start): ReadSinceFrom {
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

function readFrom(start: Exclude<Start, { kind: 'cursor' }>): ReadFrom {
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
