import type { EventOf, OpenCatalog } from '@millrace/client';
import { hasWildcard } from '@millrace/protocol';
import { useTopic } from './use-topic.ts';

/** The newest event of a topic, stored or live; of a pattern, the newest since the component was mounted. */
export function useLatest<Catalog extends object = OpenCatalog>(topic: string): EventOf<Catalog> | undefined {
  const since = hasWildcard(topic) ? undefined : { last: 1 };
  return useTopic<Catalog>(topic, { since, maxEvents: 1 }).events[0];
}
