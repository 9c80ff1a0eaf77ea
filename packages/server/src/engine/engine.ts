import type { Cursor, Position, Priority, RecoveryFailure } from '@millrace/protocol';

/**
 * The engine contract: an ordered, replayable log of events per (entity, topic), and the few shared facts (leases,
 * consumers) that need the same guarantees. Everything else in Millrace is built from these verbs; every engine passes
 * the same contract suite.
 *
 * **Who validates.** Callers have checked topics, patterns, sizes and permissions. An engine trusts its arguments.
 *
 * **Entities.** The entity is part of every key. No verb can reach another entity's data.
 *
 * **Order.** Within one topic, offsets are contiguous from 1 in the order of commit, and every reader and follower sees
 * them in that order. `seq` is the order of commit over all topics of (entity, partition): it grows, but need not be
 * contiguous. Timestamps never decrease within a topic.
 *
 * **Nothing is seen before it is stored.** An event reaches a follower, a reader or its publisher's result only after
 * its commit succeeded.
 */
export interface Engine {
  /**
   * Stores events. Resolves when the outcome of every request is known, in the order of the requests; it rejects only
   * on a programming error. Requests succeed or fail **independently** of each other, except that all requests that
   * share a commit fail together when the commit fails.
   *
   * A `stored` result means: held by this process (`live`), or on disk after fsync (`durable`).
   * Two calls made one after the other, without waiting, commit in that order.
   * Checks run in this order: idempotency key, seal, fence, expected offset.
   */
  append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]>;

  /**
   * Reads one topic in offset order. Answers with events **and** how many more there are, or with the reason why
   * not everything after `from` exists any more; never with a part as if it were the whole.
   * A topic that does not exist reads as an empty log: a position with offset 0 that was handed out while it did not
   * exist reads everything since, once it does.
   */
  read(entity: string, topic: string, from: ReadFrom, limit: ReadLimit): Promise<ReadResult>;

  /**
   * Reads all topics that any of the patterns selects (a topic is a pattern too; a wildcard selects no inbox, see
   * `selectsTopic`), merged in `seq` order within each engine. After a cursor: `expired` when an event after it, of a topic
   * that matches, was trimmed; `epoch` when it belongs to another log or such a topic was deleted since. From anywhere else
   * it reads what is kept, and does not fail; its cursor, too, forgives what was lost before the reading began.
   */
  readSince(
    entity: string,
    patterns: readonly string[],
    from: ReadSinceFrom,
    limit: ReadLimit,
  ): Promise<ReadSinceResult>;

  /**
   * Calls `listener` with events as they are committed (for the server itself, so that `*` follows inboxes too): in log
   * order within each topic, each event exactly once, beginning right after the returned cursor. Calls come from a turn of the
   * event loop, never from inside `append`.
   * A hole (a lost notification) is filled from the log before anything after it is delivered; a lost tail is found by
   * comparing with the head every second. If the log has lost the missing events, `onGap` says so instead.
   */
  follow(entity: string, pattern: string, listener: FollowListener): Promise<Following>;

  /** The entity's head: everything committed so far is at or before it. */
  cursor(entity: string): Promise<Cursor>;

  /** One topic's head; `undefined` when there is no such topic. */
  head(entity: string, topic: string): Promise<TopicHead | undefined>;

  /** Heads of the topics that match, sorted by name, at most `limit`, beginning after the topic `after`. */
  topics(
    entity: string,
    pattern: string,
    page?: { after?: string; limit?: number },
  ): Promise<readonly TopicHead[]>;

  /** Names of the entities that hold topics, in no order: where a service that works for all of them begins. */
  entities(): Promise<readonly string[]>;

  /**
   * Removes a topic's events at or before the offset `upTo`, exactly as retention would: readers of what is gone are
   * told `expired`; head, epoch, seal, keys and consumers stay; a topic that holds nothing any more is forgotten in time.
   * Readers no longer see the events at some moment before it resolves; where the topic is durable it resolves when that
   * is on disk, and rejects (`storage-full`, `unavailable`, `unknown`) when it may not be: then they are gone all the
   * same, and the engine goes on trying to record it. It may be called at any time and never waits for, nor holds up,
   * appends. What is beyond the head, or gone already, is left as it is.
   */
  trim(entity: string, topic: string, upTo: number): Promise<void>;

  /**
   * Deletes a topic, its history and its consumers. A later append begins a new log with a new epoch. False when there
   * was none.
   */
  delete(entity: string, topic: string): Promise<boolean>;

  /**
   * Claims `name` for `owner` until `ttlMs` from now. A second claim by the same owner renews it and keeps its token.
   * Exclusive: refused while another owner holds it. Shared: any number of owners hold it side by side.
   * The token is max(previous + 1, server time in µs), so it grows across restarts.
   */
  acquireLease(
    entity: string,
    name: string,
    owner: string,
    ttlMs: number,
    options?: LeaseOptions,
  ): Promise<LeaseResult>;

  /** Prolongs a lease that is still held. False when it is not (it may have expired): acquire again. */
  renewLease(entity: string, name: string, owner: string, ttlMs: number): Promise<boolean>;

  /** Gives a lease up at once. False when it was not held. */
  releaseLease(entity: string, name: string, owner: string): Promise<boolean>;

  /** Who holds `name` now, by token. */
  leaseHolders(entity: string, name: string): Promise<readonly Lease[]>;

  /** Names of a topic's consumers that were ever stored. */
  consumers(entity: string, topic: string): Promise<readonly string[]>;

  /** How far a consumer of a topic has come; `undefined` before its first {@link setConsumer}. */
  consumer(entity: string, topic: string, name: string): Promise<ConsumerState | undefined>;

  /**
   * Compare-and-set: stores `next` with version `expectedVersion + 1` if the stored version (0 for none) is
   * `expectedVersion`, as safely as the topic's own events. Answers with what is stored now. It bounds nothing: how
   * many runs there are is the caller's business.
   */
  setConsumer(
    entity: string,
    topic: string,
    name: string,
    expectedVersion: number,
    next: Omit<ConsumerState, 'version'>,
  ): Promise<{ readonly stored: boolean; readonly state: ConsumerState | undefined }>;

  /** Finishes appends under way, then lets go of every resource. Later calls fail with `unavailable`. Idempotent. */
  close(): Promise<void>;
}

/** Which of the two engines that run side by side. */
export type EngineSlot = 'live' | 'durable';

/** A stored event. `data` is kept as JSON text from publisher to subscriber: it is never parsed on the way. */
export interface StoredEvent {
  readonly entity: string;
  readonly topic: string;
  readonly epoch: string;
  readonly offset: number;
  readonly slot: EngineSlot;
  readonly partition: number;
  readonly seq: number;
  readonly id: string;
  readonly event: string;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  /** JSON text. */
  readonly data: string;
  readonly source: string | undefined;
  readonly key: string | undefined;
  readonly priority: Priority;
  readonly sealed: boolean;
}

export interface AppendRequest {
  readonly entity: string;
  readonly topic: string;
  readonly event: string;
  /** JSON text. */
  readonly data: string;
  readonly source?: string | undefined;
  readonly key?: string | undefined;
  /** `normal` when missing. */
  readonly priority?: Priority | undefined;
  /**
   * A repeat within the window (the newest 10,000 keys of the topic, and all keys of the last 10 minutes) is answered
   * with the first result. The window survives a restart where the topic does.
   */
  readonly idempotencyKey?: string | undefined;
  /** Append only at this head. Without an epoch only the offset is compared. */
  readonly expect?: { readonly offset: number; readonly epoch?: string } | undefined;
  /** Append only if the topic has seen no higher token under this name. */
  readonly fence?: { readonly name: string; readonly token: number } | undefined;
  /** Close the topic, atomically with this event. */
  readonly seal?: boolean | undefined;
}

export type AppendResult =
  | {
      readonly status: 'stored';
      readonly position: Position;
      readonly id: string;
      readonly seq: number;
      readonly timestamp: number;
      /** The idempotency key was known: these are the first append's figures. */
      readonly duplicate: boolean;
    }
  | { readonly status: 'refused'; readonly code: 'conflict'; readonly head: Position }
  | { readonly status: 'refused'; readonly code: 'fenced'; readonly token: number }
  | { readonly status: 'refused'; readonly code: 'sealed'; readonly head: Position }
  /** Nothing was stored. */
  | {
      readonly status: 'failed';
      readonly code: 'storage-full' | 'unavailable' | 'too-large';
      readonly message: string;
    }
  /** It may or may not be stored; only a repeat with the same idempotency key, or a read, can tell. */
  | { readonly status: 'unknown'; readonly message: string };

/** Where a read begins. */
export type ReadFrom =
  /** After this position; `id`, when given, must be the id of the event there, else the answer is `epoch`. */
  | { readonly after: Position; readonly id?: string }
  /** At the oldest event that is kept. */
  | { readonly earliest: true }
  /** With the newest n events, or as many as are kept. */
  | { readonly last: number }
  /** At the first event kept whose timestamp is at or after this time (ms). */
  | { readonly time: number };

/** Where a read of many topics begins. */
export type ReadSinceFrom =
  /** After this place. */
  | Cursor
  /** At the oldest events that are kept. */
  | 'earliest'
  /**
   * With the newest n events that match, over all topics together, or as many as are kept: the n highest `seq`; with two
   * engines side by side those n with the latest timestamps, each engine's share being its newest. What is stored while
   * they are looked for comes on top.
   */
  | { readonly last: number }
  /**
   * At the first event that matches, in `seq` order, whose timestamp is at or after this time (ms); everything that follows
   * it is read, also what bears an earlier timestamp because the server's clock was set back.
   */
  | { readonly time: number };

/** Whether a read of many topics goes on after a place, rather than finding where it begins. */
export function isCursor(from: ReadSinceFrom): from is Cursor {
  return from !== 'earliest' && !('last' in from) && !('time' in from);
}

/** A page ends with the first event that reaches either bound; it always holds at least one event if there is one. */
export interface ReadLimit {
  readonly maxEvents: number;
  /** Of `data`, in UTF-16 code units. */
  readonly maxBytes?: number;
}

export type ReadResult =
  | {
      readonly ok: true;
      readonly events: readonly StoredEvent[];
      /** The position of the last event returned, or where the read began. */
      readonly position: Position;
      /** Events that follow this page, up to the head. */
      readonly behind: number;
      readonly head: Position;
      /**
       * What this topic has at or before it lies at or before `position`, or in a former life of the topic: offsets of
       * different epochs cannot be compared.
       */
      readonly seq: number;
      readonly sealed: boolean;
    }
  | {
      readonly ok: false;
      readonly reason: RecoveryFailure;
      readonly head: Position;
      /** The same for `head`. */
      readonly seq: number;
      readonly sealed: boolean;
    };

export type ReadSinceResult =
  | {
      readonly ok: true;
      readonly events: readonly StoredEvent[];
      /** Where the page begins: what follows this cursor is the page and all that is behind it. */
      readonly start: Cursor;
      /** Everything that matches, between `start` and this cursor, has been returned. */
      readonly cursor: Cursor;
      /** Matching events that follow this page, up to the head at the time of reading. */
      readonly behind: number;
    }
  | { readonly ok: false; readonly reason: RecoveryFailure; readonly head: Cursor };

export interface FollowListener {
  /** At least one event, of one entity, in commit order. The array is not reused. */
  onEvents(events: readonly StoredEvent[]): void;
  /** Events between the last ones delivered and `head` are lost to this follower; delivery goes on after `head`. */
  onGap(reason: RecoveryFailure, head: Cursor): void;
}

export interface Following {
  /** Every event after this cursor is delivered. */
  readonly cursor: Cursor;
  /** No call comes after this one returns. Idempotent. */
  stop(): void;
}

export interface TopicHead {
  readonly topic: string;
  readonly slot: EngineSlot;
  /** The last event's position; offset 0 when the topic never had one. */
  readonly position: Position;
  readonly partition: number;
  /** Offset of the oldest event that is kept; `position.offset + 1` when none is. */
  readonly firstOffset: number;
  /** `seq` of the newest event that is not kept any more; 0 when all are. */
  readonly trimmedSeq: number;
  readonly sealed: boolean;
  /** Of the last event, in ms; 0 when there was none. */
  readonly timestamp: number;
  /** Of the events kept: the length of their `data`, in UTF-16 code units. */
  readonly bytes: number;
}

export interface LeaseOptions {
  readonly exclusive?: boolean;
  /** JSON text that the holders' list shows. */
  readonly data?: string;
}

export interface Lease {
  readonly owner: string;
  readonly token: number;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
  readonly data: string | undefined;
}

export type LeaseResult =
  | { readonly acquired: true; readonly lease: Lease }
  /** Held by somebody else. */
  | { readonly acquired: false; readonly holder: Lease };

export interface ConsumerState {
  /** Highest offset acknowledged, cumulative. */
  readonly acked: number;
  /** Highest offset sent. */
  readonly sent: number;
  /**
   * The events that were sent, in offset order without a hole. Those that are acknowledged come first, as far as it is
   * remembered how often they were sent; from `acked + 1` on all are there.
   */
  readonly runs: readonly ConsumerRun[];
  readonly version: number;
}

/** Neighbouring events of a consumer that were sent equally often and are due at the same time. */
export interface ConsumerRun {
  /** Offset of the last of them; the first follows on the run before. */
  readonly upTo: number;
  /** How often they were sent. */
  readonly attempt: number;
  /** When they are due again, ms since the Unix epoch. */
  readonly nextAt: number;
}

/**
 * Keeps retention from taking events of one topic that somebody still needs. It says nothing of {@link Engine.trim} and
 * {@link Engine.delete}, which take what they are told to.
 */
export interface LogHold {
  /**
   * Retention wants to take the events at or before the offset `upTo`, at least, of a topic whose last one is `head`: how
   * far it may go now. When that is less, the holder sees to it that it soon is not. Called with each append while the topic
   * is over its bounds, so it does next to nothing; synchronous, and throws nothing.
   */
  mayTrim(upTo: number, head: number): number;
}

/** What holds a topic's log, if anything does; asked once in the topic's life, when retention first wants to trim it. */
export type HoldOf = (entity: string, topic: string, epoch: string) => LogHold | undefined;

/** What is kept of a topic. A missing bound is no bound. */
export interface Retention {
  readonly maxEvents?: number;
  readonly maxAgeMs?: number;
  readonly maxBytes?: number;
}
