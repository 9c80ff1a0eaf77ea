import type { SubscribeOptions } from '@millrace/client';
import { useMemo } from 'react';

/**
 * What a hook passes on to `client.topic`: where reading begins (default: now), which events, and how they come. The
 * topic is read anew when the value (not the identity) of one of them changes.
 */
export type ReadOptions = Pick<SubscribeOptions, 'since' | 'filter' | 'batch' | 'slow'>;

/** The same object as long as it says the same, so that a literal in a component does not subscribe anew. */
export function useStableOptions({ since, filter, batch, slow }: ReadOptions): ReadOptions {
  const key = JSON.stringify({ since, filter, batch, slow });
  return useMemo(() => JSON.parse(key) as ReadOptions, [key]);
}
