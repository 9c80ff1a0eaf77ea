import type { DroppedMessage, SubscribedMessage } from '@millrace/protocol';
import type { FeedProgress } from './progress.ts';
import type { Gap } from './types.ts';

/**
 * The progress of a feed that reads as a consumer: how far it has come is the server's to remember ([ACK-1]), so each
 * subscription begins where the consumer stands, and what comes again is told apart by who handles it.
 */
export class ConsumerProgress implements FeedProgress {
  readonly resume: undefined;
  readonly position: undefined;
  readonly cursor: undefined;
  /** Whether nothing is left to acknowledge. */
  live = false;

  clone(): ConsumerProgress {
    return new ConsumerProgress();
  }

  subscribed({ topic, replayed, recovered, reason }: SubscribedMessage): Gap | undefined {
    this.live = replayed === 0;
    return recovered === false ? { topic, reason: reason ?? 'expired' } : undefined;
  }

  snapshot(): void {}

  forget(): void {}

  accept(): boolean {
    this.live = false;
    return true;
  }

  moved(): boolean {
    return false;
  }

  dropped({ topic, from, to, count, reason }: DroppedMessage): Gap {
    return { topic, reason, from, to, count };
  }
}
