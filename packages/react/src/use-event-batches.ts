import type { AnyCatalog, EventOf, Since } from '@millrace/client';
import { useEffect, useEffectEvent, useState } from 'react';
import { useMillraceContext } from './millrace-provider.tsx';
import { type FeedStatus, OPENING, openFeed } from './topic-feed.ts';
import { useStableSince } from './use-topic.ts';

export interface UseEventBatchesOptions {
  /** Where reading begins. Default: now. */
  readonly since?: Since | undefined;
  /** The subscription begins (again): forget what was folded before. */
  readonly onOpen?: (() => void) | undefined;
  /** All events since the last frame, in order. */
  readonly onBatch: (events: readonly EventOf<AnyCatalog>[]) => void;
}

/** For folds of one's own, such as a log or a count: every event once, in batches of a frame; nothing is kept here. */
export function useEventBatches(topic: string, options: UseEventBatchesOptions): FeedStatus {
  const { client, scheduler } = useMillraceContext();
  const since = useStableSince(options.since);
  const [status, setStatus] = useState(OPENING);
  const onOpen = useEffectEvent(() => options.onOpen?.());
  const onBatch = useEffectEvent((events: readonly EventOf<AnyCatalog>[]) => options.onBatch(events));
  useEffect(() => {
    setStatus(OPENING);
    onOpen();
    return openFeed(
      { client, scheduler, topic, since },
      { events: (events) => onBatch(events), status: setStatus },
    );
  }, [client, scheduler, topic, since]);
  return status;
}
