import type { EventOf, OpenCatalog } from '@millrace/client';
import { useEffect, useEffectEvent, useState } from 'react';
import { useMillraceContext } from './millrace-provider.tsx';
import { type ReadOptions, useStableOptions } from './read-options.ts';
import { type FeedStatus, OPENING, openFeed } from './topic-feed.ts';

export interface UseEventBatchesOptions extends ReadOptions {
  /** The subscription begins (again): forget what was folded before. */
  readonly onOpen?: (() => void) | undefined;
  /** All events since the last frame, in order. */
  readonly onBatch: (events: readonly EventOf<OpenCatalog>[]) => void;
}

/** For folds of one's own, such as a log or a count: every event once, in batches of a frame; nothing is kept here. */
export function useEventBatches(topic: string, options: UseEventBatchesOptions): FeedStatus {
  const { client, scheduler } = useMillraceContext();
  const read = useStableOptions(options);
  const [status, setStatus] = useState(OPENING);
  const onOpen = useEffectEvent(() => options.onOpen?.());
  const onBatch = useEffectEvent((events: readonly EventOf<OpenCatalog>[]) => options.onBatch(events));
  useEffect(() => {
    setStatus(OPENING);
    onOpen();
    return openFeed(
      { client, scheduler, topic, options: read },
      // A catalog exists at compile time only.
      { events: (events) => onBatch(events as readonly EventOf<OpenCatalog>[]), status: setStatus },
    );
  }, [client, scheduler, topic, read]);
  return status;
}
