import { useEffect, useState } from 'react';
import type { Api } from '../app/api.ts';
import { useApi } from '../app/api-context.tsx';
import type { TopicRow } from '../topics/topic-rows.ts';
import { foldRun, NEW_RUN, type Run } from './run.ts';

/** A run that has ended does not change any more. */
const ended = new Map<string, Run>();

/** What a list says of a run: read from its first and last event, when its row comes into sight. */
export function useRunSummary(row: TopicRow): Run | undefined {
  const api = useApi();
  const { topic, epoch, firstOffset, sealed } = row;
  const key = `${epoch}/${topic}`;
  const [run, setRun] = useState(() => ended.get(key));
  useEffect(() => {
    if (epoch === undefined || ended.has(key)) return undefined;
    const stop = new AbortController();
    void readRun(api, { topic, epoch, firstOffset, sealed }, stop.signal).then((read) => {
      if (read === undefined || stop.signal.aborted) return;
      if (sealed) ended.set(key, read);
      setRun(read);
    });
    return () => stop.abort();
  }, [api, key, topic, epoch, firstOffset, sealed]);
  return run;
}

type RunLocation = Pick<TopicRow, 'topic' | 'firstOffset' | 'sealed'> & { readonly epoch: string };

/** `undefined` when it could not be read: the row then shows its topic alone. */
async function readRun(api: Api, at: RunLocation, signal: AbortSignal): Promise<Run | undefined> {
  const { topic, epoch, firstOffset, sealed } = at;
  try {
    const after = `${epoch}:${Math.max(0, firstOffset - 1)}`;
    const pages = await Promise.all([
      api.history(topic, { after, limit: 1 }, signal),
      ...(sealed ? [api.history(topic, { last: 1 }, signal)] : []),
    ]);
    return pages.flatMap(({ events }) => events).reduce(foldRun, NEW_RUN);
  } catch {
    return undefined;
  }
}
