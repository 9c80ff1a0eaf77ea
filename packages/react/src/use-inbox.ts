import type { InboxOptions, OpenCatalog } from '@millrace/client';
import { useMemo, useSyncExternalStore } from 'react';
import { createInboxStore, type InboxSnapshot } from './inbox-store.ts';
import { useMillraceContext } from './millrace-provider.tsx';

/**
 * The user's inbox: the messages that have yet to be acknowledged, on whatever device. What is not acknowledged comes
 * again, also to the next page that is opened.
 *
 * ```tsx
 * const { messages } = useInbox();
 * messages.map((message) => <button key={message.id} onClick={message.ack}>{String(message.data)}</button>);
 * ```
 */
export function useInbox<Catalog extends object = OpenCatalog>({
  userId,
  maxBufferedMessages,
  slow,
}: InboxOptions = {}): InboxSnapshot<Catalog> {
  const { client, scheduler } = useMillraceContext();
  const store = useMemo(
    () => createInboxStore({ client, scheduler, options: { userId, maxBufferedMessages, slow } }),
    [client, scheduler, userId, maxBufferedMessages, slow],
  );
  const snapshot = useSyncExternalStore(store.subscribe, store.snapshot, store.snapshot);
  // A catalog exists at compile time only.
  return snapshot as InboxSnapshot as InboxSnapshot<Catalog>;
}
