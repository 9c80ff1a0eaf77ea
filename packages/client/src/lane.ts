import {
  hasWildcard,
  type MillraceError,
  type MillraceEvent,
  overlapsPattern,
  type ServerMessage,
  type Since,
  selectsTopic,
  type WelcomeMessage,
} from '@millrace/protocol';
import { Connection, type ConnectionHandlers, type ConnectionOptions } from './connection.ts';
import type { Feed, FeedOptions, FeedWire } from './feed.ts';

export interface LaneHandlers
  extends Pick<ConnectionHandlers, 'state' | 'error' | 'attemptFailed' | 'failed' | 'roundTrip'> {
  readonly opened: (welcome: WelcomeMessage) => void;
  /** The event as its readers are to have it. */
  readonly read: (event: MillraceEvent) => MillraceEvent;
  readonly lost: () => void;
  /** An event that no feed of this lane asked for. */
  readonly unasked: (event: MillraceEvent) => void;
  /** `ok` and `error` that answer a publication. */
  readonly answer: (message: Extract<ServerMessage, { type: 'ok' | 'error' }>) => void;
}

/**
 * One connection and the feeds it carries. No two of them overlap, so each event that arrives belongs to exactly one
 * feed: [SUB-4] and [SUB-5] speak of the session, and what they say of replays that overlap could not be told apart.
 */
export class Lane implements FeedWire {
  readonly connection: Connection;
  readonly #feeds = new Map<string, Feed>();
  readonly #patterns = new Map<string, Feed>();
  readonly #handlers: LaneHandlers;
  #open = false;
  #requests = 0;

  constructor(options: ConnectionOptions, handlers: LaneHandlers) {
    this.#handlers = handlers;
    this.connection = new Connection(options, {
      ...handlers,
      opened: (welcome) => this.#opened(welcome),
      lost: () => this.#lost(),
      message: (message) => this.#receive(message),
      failed: (error) => this.#failed(error),
    });
  }

  get empty(): boolean {
    return this.#feeds.size === 0;
  }

  feed(topic: string): Feed | undefined {
    return this.#feeds.get(topic);
  }

  hasRoomFor(topic: string): boolean {
    for (const other of this.#feeds.keys()) if (overlapsPattern(other, topic)) return false;
    return true;
  }

  add(feed: Feed): void {
    this.#feeds.set(feed.topic, feed);
    if (hasWildcard(feed.topic)) this.#patterns.set(feed.topic, feed);
    const { failure } = this.connection;
    if (failure !== undefined) feed.interrupted(failure);
    if (this.#open) feed.opened(this);
  }

  remove(feed: Feed): void {
    if (this.#feeds.get(feed.topic) !== feed) return;
    this.#feeds.delete(feed.topic);
    this.#patterns.delete(feed.topic);
  }

  subscribe(topic: string, since: Since | undefined, options: FeedOptions): string {
    const id = `s${++this.#requests}`;
    this.connection.send(JSON.stringify({ type: 'subscribe', id, topic, since, ...options }));
    return id;
  }

  unsubscribe(topic: string): void {
    this.connection.send(JSON.stringify({ type: 'unsubscribe', id: `u${++this.#requests}`, topic }));
  }

  acknowledge(topic: string, consumer: string, offset: number): string {
    const id = `a${++this.#requests}`;
    this.connection.send(JSON.stringify({ type: 'ack', id, topic, offset, consumer }));
    return id;
  }

  #opened(welcome: WelcomeMessage): void {
    this.#open = true;
    for (const feed of [...this.#feeds.values()]) feed.opened(this);
    this.#handlers.opened(welcome);
  }

  #lost(): void {
    this.#open = false;
    for (const feed of this.#feeds.values()) feed.lost();
    this.#handlers.lost();
  }

  #failed(error: MillraceError): void {
    for (const feed of this.#feeds.values()) feed.interrupted(error);
    this.#handlers.failed(error);
  }

  #feedOf(topic: string): Feed | undefined {
    const feed = this.#feeds.get(topic);
    if (feed !== undefined) return feed;
    // What is sent to this user or session comes unasked, and is no wildcard's.
    for (const [pattern, candidate] of this.#patterns) if (selectsTopic([pattern], topic)) return candidate;
    return undefined;
  }

  /** Whether one of its feeds selects the topic. */
  reads(topic: string): boolean {
    return this.#feedOf(topic) !== undefined;
  }

  #take(sent: MillraceEvent): void {
    const event = this.#handlers.read(sent);
    const feed = this.#feedOf(event.topic);
    if (feed === undefined) this.#handlers.unasked(event);
    else feed.onEvent(event);
  }

  #receive(message: ServerMessage): void {
    switch (message.type) {
      case 'event':
        this.#take(message);
        break;
      case 'batch':
        for (const event of message.events) this.#take(event);
        break;
      case 'subscribed':
        this.#feeds.get(message.topic)?.onSubscribed(message);
        break;
      case 'snapshot':
        this.#feedOf(message.topic)?.onSnapshot(message);
        break;
      case 'unsubscribed':
        this.#feeds.get(message.topic)?.onUnsubscribed(message);
        break;
      case 'dropped':
        this.#feedOf(message.topic)?.onDropped(message);
        break;
      case 'acked':
        this.#feeds.get(message.topic)?.onAcked(message);
        break;
      case 'position':
        this.#each(message.topic, (feed) => feed.onPosition(message));
        break;
      case 'lag':
        this.#each(message.topic, (feed) => feed.onLag(message));
        break;
      case 'error':
        this.#each(undefined, (feed) => feed.onRefused(message));
        this.#handlers.answer(message);
        break;
      case 'ok':
        this.#handlers.answer(message);
        break;
      default:
      // Messages of later servers mean nothing ([MSG-3]).
    }
  }

  #each(topic: string | undefined, task: (feed: Feed) => void): void {
    if (topic === undefined) for (const feed of [...this.#feeds.values()]) task(feed);
    else {
      const feed = this.#feedOf(topic);
      if (feed !== undefined) task(feed);
    }
  }
}
