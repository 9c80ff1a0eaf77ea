import type { View } from '@millrace/catalog/views';
import { useMemo, useSyncExternalStore } from 'react';
import { useMillraceContext } from './millrace-provider.tsx';
import { type ViewSnapshot, viewStoreOf } from './view-store.ts';

/**
 * The state of a topic, live: there at once, however long its log, and current from then on; one render a frame at most.
 * `view` must be the one that the server has for the topic.
 *
 * ```tsx
 * import { taskView } from '@millrace/catalog/views';
 * const { state: task } = useView('task.build-7', taskView);
 * return <progress max={100} value={task?.progress ?? 0} />;
 * ```
 */
export function useView<State>(topic: string, view: View<State>): ViewSnapshot<State> {
  const { client, scheduler } = useMillraceContext();
  const store = useMemo(
    () => viewStoreOf({ client, scheduler, topic, view }),
    [client, scheduler, topic, view],
  );
  return useSyncExternalStore(store.subscribe, store.snapshot, store.snapshot);
}
