import { useEventBatches } from '@millrace/react';
import { useEffect, useRef, useState } from 'react';
import { useFeedToasts } from '../app/use-error-toasts.ts';
import { type Activity, TopicActivity } from './topic-activity.ts';

/** A list that changes faster than this cannot be read. */
const REFRESH_MS = 500;

/** Live counts of all topics that a pattern matches, from now on. */
export function useTopicActivity(pattern: string): ReadonlyMap<string, Activity> {
  const activity = useRef(new TopicActivity(Date.now()));
  const [snapshot, setSnapshot] = useState<ReadonlyMap<string, Activity>>(() => new Map());
  const status = useEventBatches(pattern, {
    onOpen: () => {
      activity.current = new TopicActivity(Date.now());
    },
    onBatch: (events) => {
      const now = Date.now();
      for (const event of events) activity.current.record(event, now);
    },
  });
  useFeedToasts(status);
  useEffect(() => {
    const timer = setInterval(() => setSnapshot(activity.current.snapshot(Date.now())), REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  return snapshot;
}
