import type { OpenCatalog } from '@millrace/client';
import { useMemo, useSyncExternalStore } from 'react';
import { useMillraceContext } from './millrace-provider.tsx';
import { type ReadOptions, useStableOptions } from './read-options.ts';
import { createTopicStore, type TopicSnapshot } from './topic-store.ts';

export interface UseTopicOptions extends ReadOptions {
  /** How many of the newest events are kept. Default 1,000. */
  readonly maxEvents?: number | undefined;
}

/**
 * The newest events of a topic or pattern, live: one render a frame at most, however fast they come.
 *
 * ```tsx
 * const { events, phase } = useTopic('task.build-7', { since: 'earliest' });
 * ```
 */
export function useTopic<Catalog extends object = OpenCatalog>(
  topic: string,
  options: UseTopicOptions = {},
): TopicSnapshot<Catalog> {
  const { client, scheduler } = useMillraceContext();
  const { maxEvents = 1000 } = options;
  const read = useStableOptions(options);
  const store = useMemo(
    () => createTopicStore({ client, scheduler, topic, options: read }, maxEvents),
    [client, scheduler, topic, read, maxEvents],
  );
  const snapshot = useSyncExternalStore(store.subscribe, store.snapshot, store.snapshot);
  // A catalog exists at compile time only.
  return snapshot as TopicSnapshot as TopicSnapshot<Catalog>;
}
