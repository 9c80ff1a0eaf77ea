import { type Cursor, MillraceError } from '@millrace/protocol';
import {
  isCursor,
  type ReadFrom,
  type ReadLimit,
  type ReadResult,
  type ReadSinceFrom,
  type ReadSinceResult,
  type StoredEvent,
} from './engine.ts';
import type { EntityState } from './entity-state.ts';
import type { Ledger } from './ledger.ts';
import { type DurableTopic, spanOf, type TopicFile, topicId } from './sqlite-encoding.ts';
import type {
  FirstAtTimePage,
  NewestPage,
  Page,
  PageLimit,
  PageRequest,
  SincePage,
  TopicPage,
  TopicPageRequest,
  TopicSpan,
  TrimPoint,
  TrimPointRequest,
} from './sqlite-pages.ts';
import type { ReaderReply } from './sqlite-reader-protocol.ts';
import { eventOf } from './sqlite-rows.ts';
import { WorkerDiedError, type WorkerLink } from './sqlite-worker-link.ts';

/** Events, or topics, among which the reader thread looks for a beginning before others have their turn: some 30 ms. */
const SEARCHED_EVENTS = 10_000;
const SEARCHED_TOPICS = 500;

/** The reader thread as this sees it. */
export type ReaderLink = Pick<
  WorkerLink<PageRequest | { readonly type: 'close' }, ReaderReply>,
  'request' | 'terminate'
>;

/**
 * Reads history. The ledger says what there is, the reader thread fetches it; retention may take it away in between,
 * which the ledger knows before it happens, so it is asked again when the page has come.
 */
export class LogReader {
  readonly #ledger: Ledger<TopicFile>;
  readonly #startReader: () => ReaderLink;
  #reader: ReaderLink;
  #closed = false;

  constructor(ledger: Ledger<TopicFile>, startReader: () => ReaderLink) {
    this.#ledger = ledger;
    this.#startReader = startReader;
    this.#reader = startReader();
  }

  async read(entity: string, topic: string, from: ReadFrom, limit: ReadLimit): Promise<ReadResult> {
    for (;;) {
      const state = this.#ledger.topic(entity, topic);
      const head = this.#ledger.position(entity, topic);
      const headSeq = this.#ledger.entity(entity)?.lastSeq ?? 0;
      const sealed = state?.sealed ?? false;
      if ('after' in from) {
        const since = this.#ledger.since(entity, topic, from.after);
        if (!since.ok) return { ok: false, reason: since.reason, head, seq: headSeq, sealed };
        // A position of a topic that does not exist stays good until it does, however much happens before.
        if (state === undefined)
          return { ok: true, events: [], position: from.after, behind: 0, head, seq: headSeq, sealed };
      } else if (state === undefined) {
        return { ok: true, events: [], position: head, behind: 0, head, seq: headSeq, sealed };
      }
      const start = startOf(from, state);
      const span = spanOf(state);
      const page = await this.#topicPage(span, start, limit);
      if (page.otherId) return { ok: false, reason: 'epoch', head, seq: headSeq, sealed };
      // Trimmed, deleted or both while it was read: what came may be a part.
      const kept = this.#ledger.topic(entity, topic);
      if (kept !== state || kept.firstOffset > page.after + 1) continue;
      const identity = { entity, topic, epoch: state.epoch };
      const events = page.rows.map((row) => eventOf(row, identity));
      const offset = page.after + events.length;
      const behind = span.last - offset;
      const seq = behind === 0 ? headSeq : (events.at(-1)?.seq ?? 0);
      return { ok: true, events, position: { epoch: state.epoch, offset }, behind, head, seq, sealed };
    }
  }

  async readSince(
    entity: string,
    patterns: readonly string[],
    from: ReadSinceFrom,
    limit: ReadLimit,
  ): Promise<ReadSinceResult> {
    for (;;) {
      const since = this.#ledger.sinceCursor(entity, patterns, from);
      if (!since.ok) return { ok: false, reason: since.reason, head: this.#ledger.cursor(entity) };
      const { waived } = since;
      const state = this.#ledger.entity(entity);
      const after =
        state === undefined || isCursor(from) ? since.after : await this.#seqBefore(state, patterns, from);
      const start = this.#ledger.cursor(entity, after, waived);
      const head = this.#ledger.cursor(entity);
      const topics = new Map<number, DurableTopic>();
      const spans: TopicSpan[] = [];
      for (const topic of state?.topicsAfter(after, patterns) ?? []) {
        topics.set(topicId(topic), topic);
        spans.push(spanOf(topic));
      }
      if (spans.length === 0) return { ok: true, events: [], start, cursor: head, behind: 0 };
      const page = (await this.request({
        type: 'since-page',
        after,
        spans,
        limit: pageLimit(limit),
      })) as SincePage;
      // Something of it was trimmed or deleted while it was read: ask again what that means.
      if (state?.missedSince(after, patterns, waived) !== undefined) continue;
      const events = page.rows.map((row): StoredEvent => {
        const { topic, epoch } = topics.get(row[1]) as DurableTopic;
        return eventOf(row, { entity, topic, epoch });
      });
      const last = page.behind > 0 ? events.at(-1) : undefined;
      const cursor = last === undefined ? head : this.#ledger.cursor(entity, last.seq, waived);
      return { ok: true, events, start, cursor, behind: page.behind };
    }
  }

  /** The seq before the first event of a page that begins otherwise than after a cursor. */
  async #seqBefore(
    state: EntityState<TopicFile>,
    patterns: readonly string[],
    from: Exclude<ReadSinceFrom, Cursor>,
  ): Promise<number> {
    if (from === 'earliest') return 0;
    const topics = state.topicsAfter(0, patterns).filter((topic) => topic.count > 0);
    return 'last' in from
      ? this.#seqBeforeNewest(topics, from.last, state.lastSeq)
      : this.#seqBeforeTime(topics, from.time, state.lastSeq);
  }

  /** The topics come newest first. */
  async #seqBeforeNewest(topics: readonly DurableTopic[], count: number, lastSeq: number): Promise<number> {
    if (topics.reduce((kept, topic) => kept + topic.count, 0) <= count) return 0;
    // Each of the newest `count` topics has an event that is newer than all of the topics behind it.
    const spans = topics.slice(0, count).map(spanOf);
    let before = lastSeq;
    for (let left = count; left > 0; ) {
      const search = {
        type: 'newest',
        spans,
        through: before,
        count: Math.min(left, SEARCHED_EVENTS),
      } as const;
      const { seq, found } = (await this.request(search)) as NewestPage;
      if (found === 0) return 0;
      left -= found;
      before = seq - 1;
    }
    return before;
  }

  async #seqBeforeTime(topics: readonly DurableTopic[], time: number, lastSeq: number): Promise<number> {
    const spans = topics.filter((topic) => topic.timestamp >= time).map(spanOf);
    let before = lastSeq;
    for (let at = 0; at < spans.length; at += SEARCHED_TOPICS) {
      const search = { type: 'first-at-time', spans: spans.slice(at, at + SEARCHED_TOPICS), time } as const;
      const { seq } = (await this.request(search)) as FirstAtTimePage;
      if (seq > 0) before = Math.min(before, seq - 1);
    }
    return before;
  }

  async trimPoints(topics: TrimPointRequest['topics']): Promise<readonly TrimPoint[]> {
    return (await this.request({ type: 'trim-points', topics })) as readonly TrimPoint[];
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#reader.request({ type: 'close' }).catch(() => {});
    await this.#reader.terminate();
  }

  /** Asks the reader thread; when it dies, once more a new one. */
  async request(request: PageRequest): Promise<Page> {
    const reader = this.#reader;
    let reply: ReaderReply;
    try {
      reply = await reader.request(request);
    } catch (error) {
      if (!(error instanceof WorkerDiedError)) throw error;
      if (this.#closed) throw new MillraceError('unavailable', 'the engine is closed', { cause: error });
      if (this.#reader === reader) this.#reader = this.#startReader();
      reply = await this.#reader.request(request);
    }
    if (reply.type === 'page') return reply.page;
    const message = reply.type === 'failed' ? reply.message : reply.type;
    throw new MillraceError('internal', `The data file could not be read: ${message}`);
  }

  async #topicPage(span: TopicSpan, start: TopicPageRequest['start'], limit: ReadLimit): Promise<TopicPage> {
    const nothing = 'after' in start && start.after >= span.last && start.id === undefined;
    if (nothing) return { after: start.after, otherId: false, rows: [] };
    return (await this.request({ type: 'topic-page', span, start, limit: pageLimit(limit) })) as TopicPage;
  }
}

function startOf(from: ReadFrom, topic: DurableTopic): TopicPageRequest['start'] {
  if ('time' in from) return from;
  if ('after' in from) {
    const after = from.after.offset;
    return from.id === undefined ? { after } : { after, id: from.id };
  }
  if ('last' in from) return { after: Math.max(topic.firstOffset - 1, topic.offset - from.last) };
  return { after: topic.firstOffset - 1 };
}

function pageLimit({ maxEvents, maxBytes = Infinity }: ReadLimit): PageLimit {
  return { maxEvents: Math.max(1, maxEvents), maxBytes };
}
