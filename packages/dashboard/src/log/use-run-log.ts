import { type FeedStatus, useEventBatches } from '@millrace/react';
import { useRef, useState } from 'react';
import { foldRun, NEW_RUN, type Run, readOutput } from '../commands/run.ts';
import { LogBuffer } from './log-buffer.ts';

export interface RunLog {
  readonly run: Run;
  readonly buffer: LogBuffer;
  /** Changes whenever `buffer` does. */
  readonly version: number;
  readonly feed: FeedStatus;
}

/** One run from its first event on: what is known of it, and its output as lines. */
export function useRunLog(topic: string): RunLog {
  const buffer = useRef(new LogBuffer());
  const [run, setRun] = useState(NEW_RUN);
  const [version, setVersion] = useState(0);
  const feed = useEventBatches(topic, {
    since: 'earliest',
    onOpen: () => {
      buffer.current = new LogBuffer();
      setRun(NEW_RUN);
      setVersion(0);
    },
    onBatch: (events) => {
      for (const event of events) {
        const chunk = readOutput(event);
        if (chunk !== undefined) buffer.current.append(chunk.output, chunk.isStderr);
        if (event.sealed) buffer.current.end();
      }
      setRun((before) => events.reduce(foldRun, before));
      setVersion((before) => before + 1);
    },
  });
  return { run, buffer: buffer.current, version, feed };
}
