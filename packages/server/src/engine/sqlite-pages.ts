import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { lowestWhere, lowestWhereFromEnd, lowestWhereFromStart } from './partition-point.ts';
import { mergeSeqs, type SeqSource } from './seq-merge.ts';
import { EVENT_COLUMNS, type EventRow } from './sqlite-event-row.ts';

export interface PageLimit {
  readonly maxEvents: number;
  /** Of `data`, in UTF-16 code units. */
  readonly maxBytes: number;
}

/** The part of a topic that a reader may see: what is kept and was committed when the read began. */
export interface TopicSpan {
  readonly topic: number;
  readonly first: number;
  readonly last: number;
}

/** One topic after an offset, or from a time (ms) on. */
export interface TopicPageRequest {
  readonly type: 'topic-page';
  readonly span: TopicSpan;
  readonly start: { readonly after: number; readonly id?: string } | { readonly time: number };
  readonly limit: PageLimit;
}

export interface TopicPage {
  /** The page begins behind this offset. */
  readonly after: number;
  /** The event there has another id than the reader was told. */
  readonly otherId: boolean;
  readonly rows: readonly EventRow[];
}

/** All of `spans` after a seq, merged by seq. Each span is of a topic that has something after it. */
export interface SincePageRequest {
  readonly type: 'since-page';
  readonly after: number;
  readonly spans: readonly TopicSpan[];
  readonly limit: PageLimit;
}

export interface SincePage {
  readonly rows: readonly EventRow[];
  readonly behind: number;
}

/** The newest `count` events of all of `spans` together, at or before the seq `through`. */
export interface NewestRequest {
  readonly type: 'newest';
  readonly spans: readonly TopicSpan[];
  readonly through: number;
  readonly count: number;
}

export interface NewestPage {
  /** Of the oldest of them; 0 when there is none. */
  readonly seq: number;
  readonly found: number;
}

/** The first event, by seq, of any of `spans` at or after a time (ms). */
export interface FirstAtTimeRequest {
  readonly type: 'first-at-time';
  readonly spans: readonly TopicSpan[];
  readonly time: number;
}

export interface FirstAtTimePage {
  /** 0 when there is none. */
  readonly seq: number;
}

/** Which events topics no longer keep. */
export interface TrimPointRequest {
  readonly type: 'trim-points';
  readonly topics: readonly {
    readonly span: TopicSpan;
    /** The sum of data lengths before the span; see `total` in the schema. */
    readonly trimmedTotal: number;
    /** Events at or before this offset go. */
    readonly through: number;
    /** Events after this offset stay in any case. */
    readonly mayTrim: number;
    /** Events before this time (ms) go; 0 keeps all. */
    readonly before: number;
    /** The oldest events go until the rest hold no more than this. */
    readonly maxBytes: number;
  }[];
}

/** The last event to go. */
export interface TrimPoint {
  readonly topic: number;
  readonly offset: number;
  readonly seq: number;
  readonly total: number;
  readonly timestamp: number;
  /** Of the first event that stays; 0 when none does. */
  readonly nextTimestamp: number;
}

export type PageRequest =
  | TopicPageRequest
  | SincePageRequest
  | NewestRequest
  | FirstAtTimeRequest
  | TrimPointRequest;
export type Page = TopicPage | SincePage | NewestPage | FirstAtTimePage | readonly TrimPoint[];

/** Everything that is read from the file while the engine runs. Every answer comes from one snapshot. */
export class SqlitePages {
  readonly #database: DatabaseSync;
  readonly #range: StatementSync;
  readonly #bySeq: StatementSync;
  readonly #seqs: StatementSync;
  readonly #seqsBack: StatementSync;
  readonly #mark: StatementSync;
  readonly #idAt: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#range = database.prepare(
      `SELECT ${EVENT_COLUMNS} FROM events WHERE topic = ? AND offset > ? AND offset <= ? ORDER BY offset LIMIT ?`,
    );
    this.#bySeq = database.prepare(`SELECT ${EVENT_COLUMNS} FROM events WHERE seq = ?`);
    this.#seqs = database.prepare(
      'SELECT seq FROM events WHERE topic = ? AND offset > ? AND offset <= ? ORDER BY offset LIMIT ?',
    );
    this.#seqsBack = database.prepare(
      'SELECT seq FROM events WHERE topic = ? AND offset >= ? AND offset < ? ORDER BY offset DESC LIMIT ?',
    );
    this.#mark = database.prepare('SELECT seq, timestamp, total FROM events WHERE topic = ? AND offset = ?');
    this.#idAt = database.prepare('SELECT id FROM events WHERE topic = ? AND offset = ?');
    for (const statement of [this.#range, this.#bySeq, this.#seqs, this.#seqsBack, this.#mark, this.#idAt]) {
      statement.setReturnArrays(true);
    }
  }

  answer(request: PageRequest): Page {
    this.#database.exec('BEGIN');
    try {
      switch (request.type) {
        case 'topic-page':
          return this.#topicPage(request);
        case 'since-page':
          return this.#sincePage(request);
        case 'newest':
          return this.#newest(request);
        case 'first-at-time':
          return this.#firstAtTime(request);
        case 'trim-points':
          return this.#trimPoints(request);
      }
    } finally {
      this.#database.exec('COMMIT');
    }
  }

  #topicPage({ span, start, limit }: TopicPageRequest): TopicPage {
    const after = 'time' in start ? this.#offsetBefore(span, start.time) : start.after;
    if (!('time' in start) && start.id !== undefined && after >= span.first) {
      const found = this.#idAt.get(span.topic, after) as unknown as [string] | undefined;
      if (found !== undefined && found[0] !== start.id) return { after, otherId: true, rows: [] };
    }
    const rows: EventRow[] = [];
    let bytes = 0;
    const range = this.#range.iterate(span.topic, after, span.last, limit.maxEvents);
    for (const row of range as unknown as Iterable<EventRow>) {
      rows.push(row);
      bytes += row[7].length;
      if (bytes >= limit.maxBytes) break;
    }
    return { after, otherId: false, rows };
  }

  #offsetBefore(span: TopicSpan, time: number): number {
    return (
      lowestWhere(span.first, span.last, (offset) => this.#markAt(span.topic, offset).timestamp >= time) - 1
    );
  }

  #sincePage({ after, spans, limit }: SincePageRequest): SincePage {
    let available = 0;
    const sources: { first: number; rest: SeqSource }[] = [];
    for (const span of spans) {
      const start = this.#firstAfterSeq(span, after);
      if (start.offset > span.last) continue;
      available += span.last - start.offset + 1;
      sources.push({ first: start.seq, rest: this.#seqsAfter(span, start.offset) });
    }
    const rows: EventRow[] = [];
    let bytes = 0;
    for (const seq of mergeSeqs(sources, limit.maxEvents)) {
      const row = this.#bySeq.get(seq) as unknown as EventRow;
      rows.push(row);
      bytes += row[7].length;
      if (bytes >= limit.maxBytes) break;
    }
    return { rows, behind: available - rows.length };
  }

  /**
   * Some readers want all that is kept, and most miss little: the search looks at the beginning, then goes back from the
   * head, so its cost depends on what was missed alone.
   */
  #firstAfterSeq({ topic, first, last }: TopicSpan, after: number): { offset: number; seq: number } {
    let seq = this.#seqAt(topic, first);
    if (seq > after) return { offset: first, seq };
    const offset = lowestWhereFromEnd(first + 1, last, (candidate) => {
      const found = this.#seqAt(topic, candidate);
      if (found <= after) return false;
      seq = found;
      return true;
    });
    return { offset, seq };
  }

  #seqsAfter(span: TopicSpan, offset: number): SeqSource {
    let after = offset;
    return (count) => {
      const rows = this.#seqs.all(span.topic, after, span.last, count) as unknown as [number][];
      after += rows.length;
      return rows.map((row) => row[0]);
    };
  }

  /** Backwards through the index, as far as the merge gets: topics with nothing among the newest cost one look each. */
  #newest({ spans, through, count }: NewestRequest): NewestPage {
    const sources: { first: number; rest: SeqSource }[] = [];
    for (const span of spans) {
      const offset = this.#lastAtSeq(span, through);
      const seq = offset < span.first ? 0 : this.#seqAt(span.topic, offset);
      // Negative, for the merge goes upwards.
      if (seq > 0) sources.push({ first: -seq, rest: this.#seqsBefore(span, offset) });
    }
    const seqs = mergeSeqs(sources, count);
    const oldest = seqs.at(-1);
    return { seq: oldest === undefined ? 0 : -oldest, found: seqs.length };
  }

  /** Most are at their heads. */
  #lastAtSeq({ topic, first, last }: TopicSpan, through: number): number {
    return lowestWhereFromEnd(first, last, (offset) => this.#seqAt(topic, offset) > through) - 1;
  }

  #seqsBefore(span: TopicSpan, offset: number): SeqSource {
    let before = offset;
    return (count) => {
      const rows = this.#seqsBack.all(span.topic, span.first, before, count) as unknown as [number][];
      before -= rows.length;
      return rows.map((row) => -row[0]);
    };
  }

  #firstAtTime({ spans, time }: FirstAtTimeRequest): FirstAtTimePage {
    let first = 0;
    for (const span of spans) {
      const offset = this.#offsetBefore(span, time) + 1;
      const seq = offset > span.last ? 0 : this.#seqAt(span.topic, offset);
      if (seq > 0 && (first === 0 || seq < first)) first = seq;
    }
    return { seq: first };
  }

  #trimPoints({ topics }: TrimPointRequest): TrimPoint[] {
    return topics.map(({ span, trimmedTotal, through, mayTrim, before, maxBytes }) => {
      const { topic, first, last } = span;
      const end = this.#markAt(topic, last).total;
      const totalBefore = (offset: number) =>
        offset === first ? trimmedTotal : this.#markAt(topic, offset - 1).total;
      const due = lowestWhereFromStart(Math.max(first, through + 1), last, (offset) => {
        return this.#markAt(topic, offset).timestamp >= before && end - totalBefore(offset) <= maxBytes;
      });
      const keep = Math.min(due, mayTrim + 1);
      const offset = keep - 1;
      const nextTimestamp = keep <= last ? this.#markAt(topic, keep).timestamp : 0;
      return { topic, offset, nextTimestamp, ...this.#markAt(topic, offset) };
    });
  }

  /** From the index alone. An event that was trimmed meanwhile counts as older than everything kept. */
  #seqAt(topic: number, offset: number): number {
    const row = this.#seqs.get(topic, offset - 1, offset, 1) as unknown as [number] | undefined;
    return row?.[0] ?? 0;
  }

  #markAt(topic: number, offset: number): Mark {
    const row = this.#mark.get(topic, offset) as unknown as [number, number, number] | undefined;
    return row === undefined ? NO_MARK : { seq: row[0], timestamp: row[1], total: row[2] };
  }
}

interface Mark {
  readonly seq: number;
  readonly timestamp: number;
  readonly total: number;
}

const NO_MARK: Mark = { seq: 0, timestamp: 0, total: 0 };
