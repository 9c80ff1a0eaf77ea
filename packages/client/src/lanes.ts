import type { Since } from '@millrace/protocol';
import { Feed, type FeedOptions, type Reader } from './feed.ts';
import type { Lane } from './lane.ts';
import type { Platform } from './platform.ts';

/**
 * Which connection carries what. Nearly always there is one: the first, which also publishes. A reader that wants
 * history of what the first connection is already reading (`task.build-7` from the beginning, while `task.*` is live), or
 * reads it by another filter, gets a second one, since what overlaps cannot be told apart in one session. A lane that
 * carries nothing is closed.
 */
export class Lanes {
  readonly first: Lane;
  readonly #platform: Platform;
  readonly #createLane: () => Lane;
  readonly #others = new Set<Lane>();
  readonly #feedOf = new Map<Reader, Feed>();

  constructor(platform: Platform, first: Lane, createLane: () => Lane) {
    this.#platform = platform;
    this.first = first;
    this.#createLane = createLane;
  }

  get all(): readonly Lane[] {
    return [this.first, ...this.#others];
  }

  /** Begins to read. */
  attach(reader: Reader, topic: string, since: Since | undefined, options: FeedOptions = {}): void {
    const running = this.all.map((lane) => lane.feed(topic)).find((feed) => feed?.canJoin(since, options));
    const feed = running ?? new Feed(this.#platform, topic, since, options);
    const standing = feed.standing;
    this.#feedOf.set(reader, feed);
    feed.join(reader);
    if (running === undefined) this.#place(feed);
    // Later, so that whoever asked for the subscription can listen first.
    else if (standing !== undefined)
      void Promise.resolve().then(() => reader.subscribed(standing.answer, standing));
  }

  /** The reader has enough for now; the others that share its feed are not held up. */
  pause(reader: Reader): void {
    const feed = this.#feedOf.get(reader);
    if (feed === undefined) return;
    if (feed.shared) this.#feedOf.set(reader, feed.split(reader));
    else feed.pause();
  }

  unpause(reader: Reader): void {
    const feed = this.#feedOf.get(reader);
    if (feed === undefined || feed.ended) return;
    feed.unpause();
    if (!this.all.some((lane) => lane.feed(feed.topic) === feed)) this.#place(feed);
  }

  /** Acknowledges for a reader that reads as a consumer; false when there is no subscription to do it in. */
  acknowledge(reader: Reader, offset: number): boolean {
    return this.#feedOf.get(reader)?.acknowledge(offset) ?? false;
  }

  detach(reader: Reader): void {
    const feed = this.#feedOf.get(reader);
    if (feed === undefined) return;
    this.#feedOf.delete(reader);
    feed.leave(reader);
    if (feed.empty) this.#discard(feed);
  }

  #place(feed: Feed): void {
    const lane = this.all.find((candidate) => candidate.hasRoomFor(feed.topic)) ?? this.#addLane();
    lane.add(feed);
  }

  #addLane(): Lane {
    const lane = this.#createLane();
    this.#others.add(lane);
    lane.connection.connect();
    return lane;
  }

  #discard(feed: Feed): void {
    feed.end();
    for (const lane of this.all) {
      lane.remove(feed);
      if (lane !== this.first && lane.empty) {
        this.#others.delete(lane);
        lane.connection.stop();
      }
    }
  }
}
