import { MillraceError, parseFilter, type SubscribeMessage } from '@millrace/protocol';
import type { Start } from '../hub/hub.ts';
import { parseSince } from './since.ts';

/** What a `subscribe` asks for. Its topics are not checked: each is answered by itself. */
export interface SubscribeRequest {
  readonly topics: readonly string[];
  readonly start: Start;
}

/** Throws a `MillraceError`: `bad-message`, `bad-position`, `not-supported`. */
export function readSubscribe(message: SubscribeMessage): SubscribeRequest {
  const { topic, topics = topic === undefined ? [] : [topic] } = message;
  if (topics.length === 0)
    throw new MillraceError('bad-message', 'subscribe: "/topic" or "/topics" is missing');
  refuseReserved(message);
  return { topics, start: parseSince(message.since) };
}

function refuseReserved(message: SubscribeMessage): void {
  if (message.filter !== undefined) parseFilter(message.filter);
  for (const option of ['filter', 'consumer', 'batch', 'slow'] as const) {
    if (message[option] !== undefined) {
      throw new MillraceError('not-supported', `subscribe: this server does not offer "${option}"`);
    }
  }
}
