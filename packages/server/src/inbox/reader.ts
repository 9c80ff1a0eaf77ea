import type { Position } from '@millrace/protocol';
import type { StoredEvent } from '../engine/engine.ts';
import type { Hub } from '../hub/hub.ts';
import type { Subscriber } from '../hub/subscriber.ts';

/** A session that reads a topic as a consumer, as its keeper sees it. */
export interface Reader {
  /** What the session was handed of the topic; `undefined` while it has no subscription to it. */
  sentUpTo(): Position | undefined;
  /** Whether a page of events may be given to it now. */
  hasRoom(): boolean;
  /** Gives events once more, in order with everything else, saying which delivery this is. */
  giveAgain(events: readonly StoredEvent[], attempt: number): void;
  /** The consumer has moved on to this offset. */
  tellAcked(offset: number): void;
  /**
   * Calls back with a place up to which the client has surely read, once that is known. Only where the transport's
   * confirmation counts as acknowledgement.
   */
  confirm?(onConfirmed: (position: Position) => void): void;
}

/** A session of the hub that acknowledges by itself. */
export class HubReader implements Reader {
  readonly subscriber: Subscriber;
  readonly #hub: Hub;
  readonly #topic: string;
  /** As this session calls it. */
  readonly #consumer: string;

  constructor(hub: Hub, subscriber: Subscriber, topic: string, consumer: string) {
    this.#hub = hub;
    this.subscriber = subscriber;
    this.#topic = topic;
    this.#consumer = consumer;
  }

  sentUpTo(): Position | undefined {
    return this.#hub.sentUpTo(this.subscriber, this.#topic);
  }

  hasRoom(): boolean {
    return this.subscriber.hasRoom();
  }

  giveAgain(events: readonly StoredEvent[], attempt: number): void {
    const { dialect, feed } = this.subscriber;
    const frames = events.map((event) => dialect.encodeEvent(event, feed.cursor, attempt));
    this.subscriber.give(Buffer.concat(frames));
  }

  tellAcked(offset: number): void {
    this.subscriber.tell({ type: 'acked', topic: this.#topic, consumer: this.#consumer, offset });
  }
}

/** A session whose client cannot acknowledge: that its transport confirms is all there will ever be. */
export class ConfirmingReader extends HubReader {
  confirm(onConfirmed: (position: Position) => void): void {
    this.subscriber.confirm(() => {
      const position = this.sentUpTo();
      return () => {
        if (position !== undefined) onConfirmed(position);
      };
    });
  }
}
