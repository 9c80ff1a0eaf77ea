import type { AnyCatalog, Since } from '@millrace/client';
import { useMemo, useSyncExternalStore } from 'react';
import { useMillraceContext } from './millrace-provider.tsx';
import { type TopicSnapshot, TopicStore } from './topic-store.ts';

export interface UseTopicOptions {
  /** Where reading begins; read anew when its value (not its identity) changes. Default: now. */
  readonly since?: Since | undefined;
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
export function useTopic<Catalog extends object = AnyCatalog>(
  topic: string,
  options: UseTopicOptions = {},
): TopicSnapshot<Catalog> {
  const { client, scheduler } = useMillraceContext();
  const { maxEvents = 1000 } = options;
  const since = useStableSince(options.since);
  const store = useMemo(
    () => new TopicStore({ client, scheduler, topic, since }, maxEvents),
    [client, scheduler, topic, since, maxEvents],
  );
  const snapshot = useSyncExternalStore(store.subscribe, store.snapshot, store.snapshot);
  // A catalog exists at compile time only.
  return snapshot as TopicSnapshot as TopicSnapshot<Catalog>;
}

/** The same object as long as it says the same, so that a literal in a component does not subscribe anew. */
export function useStableSince(since: Since | undefined): Since | undefined {
  const key = since === undefined ? '' : JSON.stringify(since);
  return useMemo(() => (key === '' ? undefined : (JSON.parse(key) as Since)), [key]);
}
