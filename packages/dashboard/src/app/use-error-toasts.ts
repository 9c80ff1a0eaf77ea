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
        if (client.state === 'connected') toast.error(error.message, { id: `error:${error.code}` });
      }),
    [client],
  );
}

/** Says that events of a feed were lost, or that it was refused. */
export function useFeedToasts({ gap, error }: FeedStatus): void {
  useEffect(() => {
    if (gap === undefined) return;
    const count = gap.count === undefined ? 'Some events' : formatCountOf(gap.count, 'event');
    const why = gap.reason === 'expired' ? 'retention has removed them' : 'the topic is another log now';
    toast.warning(`${count} of ${gap.topic} missing: ${why}.`, { id: `gap:${gap.topic}` });
  }, [gap]);
  useEffect(() => {
    if (error !== undefined) toast.error(error.message, { id: `error:${error.code}` });
  }, [error]);
}
