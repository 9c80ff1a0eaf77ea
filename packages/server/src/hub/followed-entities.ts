import { type Cursor, MillraceError } from '@millrace/protocol';
import type { Clock, Timer } from '../clock.ts';
import type { Engine, Following } from '../engine/engine.ts';
import type { EntityFeed } from './entity-feed.ts';
import type { Subscriber } from './subscriber.ts';

export interface FollowedEntitiesOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly createFeed: (entity: string, start: Cursor) => EntityFeed;
  /** Has a session's subscriptions read from the log what live delivery leaves out. */
  readonly readOn: (subscriber: Subscriber) => void;
}

/** How long an entity that nobody follows is still followed, so that its clients come back to a warm memory. */
const LINGER_MS = 60_000;

/** An entity that is being followed, or about to be. */
interface Followed {
  readonly ready: Promise<EntityFeed>;
  feed: EntityFeed | undefined;
  following: Following | undefined;
  subscribers: Set<Subscriber>;
  lingering: Timer | undefined;
}

/** The entities that have sessions on this node, or had some a moment ago: each is followed once, for all of them. */
export class FollowedEntities {
  readonly #options: FollowedEntitiesOptions;
  readonly #entities: Map<string, Followed> = new Map();
  #closed = false;

  constructor(options: FollowedEntitiesOptions) {
    this.#options = options;
  }

  /** The feed of an entity that is being followed. */
  feed(entity: string): EntityFeed | undefined {
    return this.#entities.get(entity)?.feed;
  }

  /** Adds the session that `create` makes of its entity's feed. Rejects when the log cannot be followed. */
  async join(entity: string, create: (feed: EntityFeed) => Subscriber): Promise<Subscriber> {
    const followed = this.#entities.get(entity) ?? this.#follow(entity);
    const subscriber = create(await followed.ready);
    followed.subscribers.add(subscriber);
    followed.lingering?.cancel();
    followed.lingering = undefined;
    return subscriber;
  }

  leave(subscriber: Subscriber): void {
    const { entity } = subscriber.feed;
    const followed = this.#entities.get(entity);
    if (followed === undefined) return;
    followed.subscribers.delete(subscriber);
    if (followed.subscribers.size > 0 || this.#closed) return;
    followed.lingering?.cancel();
    followed.lingering = this.#options.clock.after(LINGER_MS, () => {
      if (followed.subscribers.size > 0) return;
      followed.following?.stop();
      this.#entities.delete(entity);
    });
  }

  close(): void {
    this.#closed = true;
    for (const followed of this.#entities.values()) {
      followed.lingering?.cancel();
      followed.following?.stop();
    }
    this.#entities.clear();
  }

  #follow(entity: string): Followed {
    const followed: Followed = {
      ready: this.#open(entity),
      feed: undefined,
      following: undefined,
      subscribers: new Set(),
      lingering: undefined,
    };
    this.#entities.set(entity, followed);
    followed.ready.catch(() => this.#entities.delete(entity));
    return followed;
  }

  async #open(entity: string): Promise<EntityFeed> {
    let feed: EntityFeed | undefined;
    // One engine may deliver while the other is still being joined.
    const early: (() => void)[] = [];
    const following = await this.#options.engine.follow(entity, '*', {
      onEvents: (events) => {
        if (feed === undefined) early.push(() => feed?.onEvents(events));
        else feed.onEvents(events);
      },
      onGap: (_reason, head) => {
        if (feed === undefined) early.push(() => feed?.restartAt(head));
        else this.#onGap(entity, head);
      },
    });
    feed = this.#options.createFeed(entity, following.cursor);
    const followed = this.#entities.get(entity);
    if (followed === undefined || this.#closed) {
      following.stop();
      throw new MillraceError('draining', 'the server is shutting down');
    }
    followed.following = following;
    followed.feed = feed;
    for (const hear of early) hear();
    return feed;
  }

  #onGap(entity: string, head: Cursor): void {
    const followed = this.#entities.get(entity);
    if (followed?.feed === undefined) return;
    for (const subscriber of followed.subscribers) {
      for (const { state } of subscriber.subscriptions) {
        // What it counts on behind its read does not come.
        if (state.kind === 'reading') state.reader.stopWaiting();
      }
      this.#options.readOn(subscriber);
    }
    followed.feed.restartAt(head);
  }
}
