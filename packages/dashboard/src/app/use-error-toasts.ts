import { type FeedStatus, useMillrace } from '@millrace/react';
import { useEffect } from 'react';
import { toast } from 'sonner';
import { formatCountOf } from '../ui/format.ts';

/** Says once what the connection could not do, beyond what the banner already shows. */
export function useErrorToasts(): void {
  const client = useMillrace();
  useEffect(
    () =>
      client.on('error', (error) => {
        // What ends the connection is told just before the state that the banner shows.
        queueMicrotask(() => {
          if (client.state === 'connected') toast.error(error.message, { id: `error:${error.code}` });
        });
      }),
    [client],
  );
}

/** Says that events of a feed were lost. */
export function useGapToasts({ gap }: FeedStatus): void {
  useEffect(() => {
    if (gap === undefined) return;
    const count = gap.count === undefined ? 'Some events' : formatCountOf(gap.count, 'event');
    toast.warning(`${count} of ${gap.topic} missing: ${gapReason(gap.reason)}.`, { id: `gap:${gap.topic}` });
  }, [gap]);
}

/** Says that events of a feed were lost, or that it was refused, where the view itself does not. */
export function useFeedToasts(feed: FeedStatus): void {
  const { error } = feed;
  useGapToasts(feed);
  useEffect(() => {
    if (error !== undefined) toast.error(error.message, { id: `error:${error.code}` });
  }, [error]);
}

function gapReason(reason: string): string {
  switch (reason) {
    case 'expired':
      return 'retention has removed them';
    case 'epoch':
      return 'the topic has begun a new log';
    default:
      return reason;
  }
}
