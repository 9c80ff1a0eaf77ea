import { useConnectionState } from '@millrace/react';
import { useEffect, useState } from 'react';
import type { ApiError, TopicInfo } from '../app/api.ts';
import { useApi } from '../app/api-context.tsx';

export interface TopicList {
  /** `undefined` until the first answer. */
  readonly topics: readonly TopicInfo[] | undefined;
  readonly error: ApiError | undefined;
  /** There may be more topics than were asked for. */
  readonly isTruncated: boolean;
}

const LIMIT = 1000;

/** The topics of a pattern; asked for again every `refreshMs` and after a reconnection. */
export function useTopicList(pattern: string, refreshMs: number): TopicList {
  const api = useApi();
  const isConnected = useConnectionState() === 'connected';
  const [list, setList] = useState<TopicList>({ topics: undefined, error: undefined, isTruncated: false });
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = async (): Promise<void> => {
      try {
        const { topics, next } = await api.topics({ pattern, limit: LIMIT }, stop.signal);
        setList({ topics, error: undefined, isTruncated: next !== undefined });
      } catch (error) {
        if (stop.signal.aborted) return;
        // `Api` rejects with nothing else.
        setList((before) => ({ ...before, error: error as ApiError }));
      }
      timer = setTimeout(load, refreshMs);
    };
    if (isConnected) void load();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [api, pattern, refreshMs, isConnected]);
  return list;
}
