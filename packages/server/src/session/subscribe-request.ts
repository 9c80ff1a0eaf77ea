import { MillraceError, parseFilter, type SubscribeMessage } from '@millrace/protocol';
import { type BatchOption, DEFAULT_BATCH } from '../hub/batcher.ts';
import type { Start } from '../hub/hub.ts';
import type { SubscriptionOptions } from '../hub/subscription.ts';
import { parseSince } from './since.ts';

/** What a `subscribe` asks for. Its topics are not checked: each is answered by itself. */
export interface SubscribeRequest {
  readonly topics: readonly string[];
  readonly start: Start;
  readonly options: SubscriptionOptions;
}

/** Throws a `MillraceError`: `bad-message`, `bad-position`, `not-supported`. */
export function readSubscribe(message: SubscribeMessage): SubscribeRequest {
  const { topic, topics = topic === undefined ? [] : [topic], filter, batch, slow } = message;
  if (topics.length === 0)
    throw new MillraceError('bad-message', 'subscribe: "/topic" or "/topics" is missing');
  if (message.consumer !== undefined)
    throw new MillraceError('not-supported', 'subscribe: this server does not offer "consumer"');
  return {
    topics,
    start: parseSince(message.since),
    options: {
      ...(filter !== undefined && { filter: parseFilter(filter) }),
      ...(batch !== undefined && batch !== false && { batch: readBatch(batch) }),
      ...(slow !== undefined && { slow }),
    },
  };
}

function readBatch(batch: true | Partial<BatchOption>): BatchOption {
  return batch === true ? DEFAULT_BATCH : { ...DEFAULT_BATCH, ...batch };
}
