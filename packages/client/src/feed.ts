import {
  type AckedMessage,
  type DroppedMessage,
  type ErrorMessage,
  type LagMessage,
  MillraceError,
  type MillraceEvent,
  type PositionMessage,
  type Since,
  type SnapshotMessage,
  type SubscribedMessage,
  type SubscribeMessage,
  type UnsubscribedMessage,
} from '@millrace/protocol';
import { ConsumerProgress } from './consumer-progress.ts';
import type { Platform, Timer } from './platform.ts';
import { type FeedProgress, Progress } from './progress.ts';
import type { Gap, Lag, Subscribed } from './types.ts';

/** Who reads a feed. Called in the order of the log. */
export interface Reader {
  event(event: MillraceEvent): void;
  /** The state of one topic; what follows its position comes as events. */
  snapshot?(snapshot: SnapshotMessage): void;
  /** Everything up to `cursor` has been given. */
  reached(cursor: string): void;
  gap(gap: Gap): void;
  subscribed(answer: Subscribed, standing: Standing): void;
  lag(lag: Lag): void;
  /** The consumer that it reads as has moved on to this offset by other means. */
  passed?(offset: number): void;
  sealed(): void;
  /** Refused, or ended by the server. */
  failed(error: MillraceError): void;
  /** The connection gave up; nothing comes until it is asked to begin again. */
  interrupted(error: MillraceError): void;
}

/** Where a reader stands before its first event, when it begins with what comes next. */
export interface Standing {
  readonly position: string | undefined;
  readonly cursor: string | undefined;
}

/** What a `subscribe` asks for beside the place where reading begins. */
export type FeedOptions = Pick<SubscribeMessage, 'filter' | 'batch' | 'slow' | 'consumer'>;

/** The connection that carries a feed, while there is one. */
export interface FeedWire {
  /** Sends a `subscribe` and returns its id. */
  subscribe(topic: string, since: Since | undefined, options: FeedOptions): string;
  unsubscribe(topic: string): void;
  /** Sends an `ack` and returns its id. */
  acknowledge(topic: string, consumer: string, offset: number): string;
}

type FeedState =
  /** Wants to be on the wire as soon as there is one. */
  | { readonly name: 'waiting' }
  /** Events are of an older subscription until the answer with this id. */
  | { readonly name: 'requested'; readonly wire: FeedWire; readonly id: string }
  | { readonly name: 'active'; readonly wire: FeedWire; readonly id: string }
  /** Its reader has enough for now. */
  | { readonly name: 'paused'; readonly wire: FeedWire | undefined }
  | { readonly name: 'ended' };

interface Acknowledgement {
  readonly id: string;
  readonly offset: number;
}

const RETRY_MS = 1000;

/** One subscription on the wire, shared by the readers that stand at the same place. */
export class Feed {
  readonly topic: string;
  readonly #platform: Platform;
  readonly #since: Since | undefined;
  readonly #options: FeedOptions;
  readonly #progress: FeedProgress;
  readonly #readers = new Set<Reader>();
  #state: FeedState = { name: 'waiting' };
  /** Nothing was received yet, so whoever asks for the same may join. */
  #fresh = true;
  #behind = 0;
  /** The server said that the topic is sealed: its end is the end of the replay. */
  #sealedAtHead = false;
  #retry: Timer | undefined;
  /** The newest acknowledgement: as they are cumulative, it alone has to arrive. */
  #ack: Acknowledgement | undefined;

  constructor(
    platform: Platform,
    topic: string,
    since: Since | undefined,
    options: FeedOptions,
    progress?: FeedProgress,
  ) {
    this.topic = topic;
    this.#platform = platform;
    this.#since = since;
    this.#options = options;
    this.#progress = progress ?? progressOf(topic, since, options);
    this.#fresh = progress === undefined;
  }

  get empty(): boolean {
    return this.#readers.size === 0;
  }

  get ended(): boolean {
    return this.#state.name === 'ended';
  }

  /** Whether a reader that wants this would be given exactly that by joining. */
  canJoin(since: Since | undefined, options: FeedOptions): boolean {
    // Each reader of a consumer is a device of its own.
    if (options.consumer !== undefined || !sameValue(this.#options, options)) return false;
    if (this.#fresh) return this.#state.name !== 'ended' && sameValue(this.#since, since);
    return since === undefined && this.#state.name === 'active' && this.#progress.live && this.#behind === 0;
  }

  join(reader: Reader): void {
    this.#readers.add(reader);
  }

  /** What a reader that joined a running feed is told instead of the server's answer. */
  get standing(): (Standing & { readonly answer: Subscribed }) | undefined {
    if (this.#state.name !== 'active') return undefined;
    const { position, cursor } = this.#progress;
    return { position, cursor, answer: { topic: this.topic, position, replayed: 0, recovered: undefined } };
  }

  leave(reader: Reader): void {
    this.#readers.delete(reader);
  }

  /** Takes one of several readers out to read on by itself, later, from where it stands. */
  split(reader: Reader): Feed {
    this.#readers.delete(reader);
    const own = new Feed(this.#platform, this.topic, this.#since, this.#options, this.#progress.clone());
    own.#state = { name: 'paused', wire: undefined };
    own.join(reader);
    return own;
  }

  get shared(): boolean {
    return this.#readers.size > 1;
  }

  /** There is a connection. */
  opened(wire: FeedWire): void {
    if (this.#state.name === 'paused') this.#state = { name: 'paused', wire };
    else if (this.#state.name !== 'ended') this.#request(wire);
  }

  /** The connection is gone. */
  lost(): void {
    this.#retry?.cancel();
    this.#ack = undefined;
    this.#behind = 0;
    if (this.#state.name === 'paused') this.#state = { name: 'paused', wire: undefined };
    else if (this.#state.name !== 'ended') this.#state = { name: 'waiting' };
  }

  interrupted(error: MillraceError): void {
    for (const reader of this.#readers) reader.interrupted(error);
  }

  /** Stops reading; what is on its way is not taken and will be read again. */
  pause(): void {
    const state = this.#state;
    if (state.name !== 'active' && state.name !== 'requested') return;
    this.#state = { name: 'paused', wire: state.wire };
    state.wire.unsubscribe(this.topic);
  }

  /** Reads on from where it was paused; without a connection as soon as there is one. */
  unpause(): void {
    if (this.#state.name !== 'paused') return;
    const { wire } = this.#state;
    if (wire === undefined) this.#state = { name: 'waiting' };
    else this.#request(wire);
  }

  /** Acknowledges everything up to an offset; false when there is no subscription to do it in. */
  acknowledge(offset: number): boolean {
    const { consumer } = this.#options;
    if (this.#state.name !== 'active' || consumer === undefined) return false;
    this.#ack = { id: this.#state.wire.acknowledge(this.topic, consumer, offset), offset };
    return true;
  }

  end(): void {
    const state = this.#state;
    this.#state = { name: 'ended' };
    this.#retry?.cancel();
    if (state.name === 'active' || state.name === 'requested') state.wire.unsubscribe(this.topic);
  }

  onSubscribed(message: SubscribedMessage): void {
    const state = this.#state;
    // Over SSE a second answer takes the first one back, when it turns out that recovery is not possible.
    if ((state.name !== 'requested' && state.name !== 'active') || message.id !== state.id) return;
    const gap = this.#progress.subscribed(message);
    if (gap !== undefined && this.#since === 'snapshot') {
      this.#request(state.wire);
      return;
    }
    this.#state = { name: 'active', wire: state.wire, id: state.id };
    this.#fresh = false;
    const { position, cursor } = this.#progress;
    const { topic, replayed, recovered } = message;
    const answer: Subscribed = { topic, position: message.position, replayed, recovered };
    for (const reader of this.#readers) {
      if (gap !== undefined) reader.gap(gap);
      reader.subscribed(answer, { position, cursor: this.#progress.live ? cursor : undefined });
    }
    this.#sealedAtHead = message.sealed === true;
    this.#sealAtHead();
  }

  onEvent(event: MillraceEvent): void {
    if (this.#state.name !== 'active') return;
    const wasLive = this.#progress.live;
    if (this.#progress.accept(event)) for (const reader of this.#readers) reader.event(event);
    if (!wasLive && this.#progress.live) this.#tellCursor();
    // A consumer has to acknowledge the last event too, and may be sent others again before.
    const ends = event.sealed === true && event.topic === this.topic;
    if (ends && this.#options.consumer === undefined) this.#seal();
  }

  onSnapshot(message: SnapshotMessage): void {
    if (this.#state.name !== 'active') return;
    this.#progress.snapshot(message);
    for (const reader of this.#readers) reader.snapshot?.(message);
    if (this.#progress.live) this.#tellCursor();
    this.#sealAtHead();
  }

  onPosition(message: PositionMessage): void {
    if (this.#state.name !== 'active') return;
    if (this.#progress.moved(message)) this.#tellCursor();
    if (message.sealed === true && message.topic === this.topic) this.#sealedAtHead = true;
    this.#sealAtHead();
  }

  onDropped(message: DroppedMessage): void {
    const state = this.#state;
    if (state.name !== 'active') return;
    const gap = this.#progress.dropped(message);
    // What a slow reader is spared it has asked for; what was lost is in a new snapshot.
    if (this.#since === 'snapshot' && message.reason !== 'slow' && message.reason !== 'conflated') {
      this.#progress.forget();
      this.#request(state.wire);
      return;
    }
    for (const reader of this.#readers) reader.gap(gap);
  }

  onLag({ behind }: LagMessage): void {
    if (this.#state.name !== 'active') return;
    this.#behind = behind;
    for (const reader of this.#readers) reader.lag({ behind });
  }

  onAcked({ consumer, offset }: AckedMessage): void {
    if (this.#state.name !== 'active' || consumer !== this.#options.consumer) return;
    for (const reader of this.#readers) reader.passed?.(offset);
  }

  /** An `error` that answers the `subscribe`, or the newest `ack`. */
  onRefused(message: ErrorMessage): void {
    const state = this.#state;
    if (this.#ack !== undefined && message.id === this.#ack.id) this.#ackRefused(this.#ack, message);
    if (state.name !== 'requested' || message.id !== state.id) return;
    const { code, message: text, retryable, details } = message;
    if (!retryable) this.#fail(new MillraceError(code, `${this.topic}: ${text}`, { retryable, details }));
    else this.#requestLater(state.wire, details?.retryAfterMs);
  }

  /** The server ended it, unasked. */
  onUnsubscribed(message: UnsubscribedMessage): void {
    if (this.#state.name !== 'active' || message.id !== undefined) return;
    this.#fail(new MillraceError(message.code, `${this.topic}: the server ended it: ${message.reason}`));
  }

  #request(wire: FeedWire): void {
    this.#retry?.cancel();
    this.#state = {
      name: 'requested',
      wire,
      id: wire.subscribe(this.topic, this.#progress.resume, this.#options),
    };
  }

  #requestLater(wire: FeedWire, retryAfterMs: unknown): void {
    this.#later(retryAfterMs, () => {
      if (this.#state.name === 'requested') this.#request(wire);
    });
  }

  /** What is refused for good comes again, and is acknowledged again. */
  #ackRefused(ack: Acknowledgement, { retryable, details }: ErrorMessage): void {
    if (!retryable) return;
    this.#later(details?.retryAfterMs, () => {
      if (this.#ack === ack) this.acknowledge(ack.offset);
    });
  }

  #later(retryAfterMs: unknown, task: () => void): void {
    const leastMs = typeof retryAfterMs === 'number' ? retryAfterMs : 0;
    this.#retry = this.#platform.after(leastMs + RETRY_MS * this.#platform.random(), task);
  }

  #tellCursor(): void {
    const { cursor } = this.#progress;
    if (cursor !== undefined) for (const reader of this.#readers) reader.reached(cursor);
  }

  /** A filter may keep the sealing event back. */
  #sealAtHead(): void {
    if (this.#sealedAtHead && this.#progress.live && this.#state.name === 'active') this.#seal();
  }

  #seal(): void {
    this.end();
    for (const reader of this.#readers) reader.sealed();
  }

  #fail(error: MillraceError): void {
    this.#state = { name: 'ended' };
    for (const reader of this.#readers) reader.failed(error);
  }
}

function progressOf(topic: string, since: Since | undefined, options: FeedOptions): FeedProgress {
  if (options.consumer !== undefined) return new ConsumerProgress();
  return new Progress(topic, since, options.filter !== undefined);
}

function sameValue(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
