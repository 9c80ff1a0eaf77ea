import type { AnyCatalog, Client, InboxOptions, Message } from '@millrace/client';
import { ExternalStore } from './external-store.ts';
import { FrameBatcher } from './frame-batcher.ts';
import type { FrameScheduler } from './frame-scheduler.ts';
import { type FeedStatus, OPENING } from './topic-feed.ts';

export interface InboxSnapshot<Catalog extends object = AnyCatalog> extends FeedStatus {
  /**
   * What has yet to be acknowledged, oldest first. `ack()` takes a message out of the list; so does another device of
   * the user that acknowledges it.
   */
  readonly messages: readonly Message<Catalog>[];
}

export interface InboxSource {
  readonly client: Client;
  readonly scheduler: FrameScheduler;
  readonly options: InboxOptions;
}

const EMPTY: InboxSnapshot = { ...OPENING, messages: [] };

/** The messages of an inbox that have yet to be acknowledged. */
export function createInboxStore({ client, scheduler, options }: InboxSource): ExternalStore<InboxSnapshot> {
  return new ExternalStore(EMPTY, (change) => {
    const inbox = client.inbox(options);
    const take = (isGone: (message: Message) => boolean): void =>
      change((snapshot) => ({
        ...snapshot,
        messages: snapshot.messages.filter((message) => !isGone(message)),
      }));
    const shown = (message: Message): Message => ({
      ...message,
      ack: () => {
        message.ack();
        take(({ id }) => id === message.id);
      },
    });
    const batcher = new FrameBatcher<Message>(scheduler, (added) =>
      change((snapshot) => ({ ...snapshot, messages: [...snapshot.messages, ...added.map(shown)] })),
    );
    const tell = (status: Partial<FeedStatus>): void => {
      batcher.flush();
      change((snapshot) => ({ ...snapshot, ...status }));
    };
    const undos = [
      inbox.on('message', (message) => batcher.push(message)),
      inbox.on('acknowledged', ({ offset: upTo }) => {
        batcher.flush();
        take(({ offset }) => offset <= upTo);
      }),
      inbox.on('subscribed', () => tell({ phase: 'open' })),
      inbox.on('gap', (gap) => tell({ gap })),
      inbox.on('lag', ({ behind }) => tell({ behind })),
      inbox.on('error', (error) => tell({ phase: 'failed', error })),
    ];
    return () => {
      for (const undo of undos) undo();
      batcher.close();
      inbox.close();
    };
  });
}
