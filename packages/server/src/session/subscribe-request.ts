import { MillraceError, parseFilter, type SubscribeMessage } from '@millrace/protocol';
import { type BatchOption, DEFAULT_BATCH } from '../hub/batcher.ts';
import type { Start } from '../hub/opening.ts';
import type { SubscriptionOptions } from '../hub/subscription.ts';
import { parseSince } from './since.ts';

/** What a `subscribe` asks for. Its topics are not checked: each is answered by itself. */
export interface SubscribeRequest {
  readonly topics: readonly string[];
  readonly start: Start;
  readonly options: SubscriptionOptions;
  /** Reads each topic as this consumer; `start` is then where the consumer has come to, whatever the client says. */
  readonly consumer: string | undefined;
}

/** Throws a `MillraceError`: `bad-message`, `bad-position`, `not-supported`. */
export function readSubscribe(message: SubscribeMessage): SubscribeRequest {
  const { topic, topics = topic === undefined ? [] : [topic], filter, batch, slow } = message;
  if (topics.length === 0)
    throw new MillraceError('bad-message', 'subscribe: "/topic" or "/topics" is missing');
  if (message.consumer !== undefined) refuseWithConsumer(message);
  return {
    topics,
    start: message.consumer === undefined ? parseSince(message.since) : { kind: 'now' },
    consumer: message.consumer,
    options: {
      ...(filter !== undefined && { filter: parseFilter(filter) }),
      ...(batch !== undefined && batch !== false && { batch: readBatch(batch) }),
      ...(slow !== undefined && { slow }),
    },
  };
}

/** What could keep an event from a consumer, so that an acknowledgement would skip it ([ACK-2]). */
function refuseWithConsumer({ filter, batch, slow }: SubscribeMessage): void {
  const refused =
    (filter !== undefined && 'filter') ||
    (batch !== undefined && batch !== false && 'batch') ||
    ((slow === 'drop-oldest' || slow === 'conflate') && 'slow');
  if (!refused) return;
  throw new MillraceError('bad-message', `subscribe: "/${refused}" does not go with a consumer`, {
    details: { path: `/${refused}` },
  });
}

function readBatch(batch: true | Partial<BatchOption>): BatchOption {
  return batch === true ? DEFAULT_BATCH : { ...DEFAULT_BATCH, ...batch };
}
