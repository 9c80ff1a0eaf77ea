import {
  MillraceError,
  parseFilter,
  type SubscribeMessage,
  type UnsubscribeMessage,
} from '@millrace/protocol';
import { type BatchOption, DEFAULT_BATCH } from '../hub/batcher.ts';
import type { Start } from '../hub/opening.ts';
import type { SubscriptionOptions } from '../hub/subscription.ts';
import type { TopicAliases } from '../plain-config.ts';
import { parseSince } from './since.ts';

/** What a `subscribe` asks for. Its topics are not checked: each is answered by itself. */
export interface SubscribeRequest {
  readonly topics: readonly string[];
  /** What a plain client calls the topic: it is answered with that, and its events come flat. */
  readonly stream: string | undefined;
  readonly start: Start;
  readonly options: SubscriptionOptions;
  /** Reads each topic as this consumer; `start` is then where the consumer has come to, whatever the client says. */
  readonly consumer: string | undefined;
}

/** Throws a `MillraceError`: `bad-message`, `bad-position`. */
export function readSubscribe(message: SubscribeMessage, aliases: TopicAliases): SubscribeRequest {
  const { stream, filters, filter = filters, batch, slow } = message;
  refuseTwice(message);
  if (message.consumer !== undefined) refuseWithConsumer(message);
  return {
    topics: topicsOf(message, aliases),
    stream,
    start: message.consumer === undefined ? parseSince(message.since) : { kind: 'now' },
    consumer: message.consumer,
    options: {
      ...(filter !== undefined && { filter: parseFilter(filter) }),
      ...(batch !== undefined && batch !== false && { batch: readBatch(batch) }),
      ...(slow !== undefined && { slow }),
    },
  };
}

/** The topic or pattern that an `unsubscribe` names. Throws a `MillraceError` (`bad-message`). */
export function readUnsubscribe({ topic, stream }: UnsubscribeMessage, aliases: TopicAliases): string {
  if (stream === undefined && topic !== undefined) return topic;
  if (stream !== undefined && topic === undefined) return aliases.get(stream) ?? stream;
  throw new MillraceError('bad-message', 'unsubscribe: give either "/topic" or "/stream"', {
    details: { path: '/topic' },
  });
}

function topicsOf({ topic, topics, stream }: SubscribeMessage, aliases: TopicAliases): readonly string[] {
  if (stream !== undefined) return [aliases.get(stream) ?? stream];
  if (topics !== undefined) return topics;
  if (topic !== undefined) return [topic];
  throw new MillraceError('bad-message', 'subscribe: "/topic", "/topics" or "/stream" is missing');
}

/** Two names for one thing, of which one would be passed over. */
function refuseTwice({ topic, topics, stream, filter, filters }: SubscribeMessage): void {
  const refused =
    (stream !== undefined && (topic !== undefined || topics !== undefined) && 'stream') ||
    (filter !== undefined && filters !== undefined && 'filters');
  if (!refused) return;
  const other = refused === 'stream' ? 'a topic' : 'a filter';
  throw new MillraceError('bad-message', `subscribe: "/${refused}" does not go with ${other}; give one`, {
    details: { path: `/${refused}` },
  });
}

/** What could keep an event from a consumer, so that an acknowledgement would skip it ([ACK-2]). */
function refuseWithConsumer({ filter, filters, batch, slow }: SubscribeMessage): void {
  const refused =
    (filter !== undefined && 'filter') ||
    (filters !== undefined && 'filters') ||
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
