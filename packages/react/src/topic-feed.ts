import type { AnyCatalog, Client, EventOf, Gap, MillraceError } from '@millrace/client';
import { FrameBatcher } from './frame-batcher.ts';
import type { FrameScheduler } from './frame-scheduler.ts';
import type { ReadOptions } from './read-options.ts';

export type FeedPhase = 'opening' | 'open' | 'sealed' | 'failed';

/** How a subscription stands. */
export interface FeedStatus {
  /** `sealed`: the topic is closed and all of it is here. `failed`: the server refused it, `error` says why. */
  readonly phase: FeedPhase;
  /** The newest loss: what was derived from the events before it is incomplete. */
  readonly gap: Gap | undefined;
  readonly error: MillraceError | undefined;
  /** Events that the server has yet to send because this reader is slow; 0 when live. */
  readonly behind: number;
}

export const OPENING: FeedStatus = { phase: 'opening', gap: undefined, error: undefined, behind: 0 };

export interface FeedSource {
  readonly client: Client;
  readonly scheduler: FrameScheduler;
  readonly topic: string;
  readonly options: ReadOptions;
}

export interface FeedListener {
  /** Events in order, once a frame. */
  readonly events: (events: readonly EventOf<AnyCatalog>[]) => void;
  readonly status: (status: FeedStatus) => void;
}

/** Subscribes and passes on what comes, once a frame; a status follows the events that came before it. Returns the undo. */
export function openFeed(source: FeedSource, listener: FeedListener): () => void {
  let status = OPENING;
  const subscription = source.client.topic(source.topic, source.options);
  const batcher = new FrameBatcher(source.scheduler, listener.events);
  const change = (part: Partial<FeedStatus>): void => {
    batcher.flush();
    status = { ...status, ...part };
    listener.status(status);
  };
  const undos = [
    subscription.on('event', (event) => batcher.push(event)),
    subscription.on('subscribed', () => {
      if (status.phase === 'opening') change({ phase: 'open' });
    }),
    subscription.on('sealed', () => change({ phase: 'sealed' })),
    subscription.on('gap', (gap) => change({ gap })),
    subscription.on('lag', ({ behind }) => change({ behind })),
    subscription.on('error', (error) => change({ phase: 'failed', error })),
  ];
  return () => {
    for (const undo of undos) undo();
    batcher.close();
    subscription.close();
  };
}
