import { encodeSegment } from './segment.ts';

/*
 * Answers of language models, whoever publishes them: the server or an application. What their events look like is the catalog's.
 */

/** The topic of a conversation. Throws a `RangeError` for an id that no segment can hold. */
export function chatTopicOf(conversationId: string): string {
  return `chat.${encodeSegment(conversationId)}`;
}

/**
 * The idempotency key of a step of an answer: `start`, `end`, or how many tokens came before. Whoever ends an answer does so under
 * the same key, so that it has one end.
 */
export function answerKey(streamId: string, step: string | number): string {
  return `llm/${streamId}/${step}`;
}

/** How fast tokens came, with one decimal; 0 where there is no time to measure by. */
export function tokensPerSecond(tokens: number, elapsedMs: number): number {
  return elapsedMs <= 0 ? 0 : Math.round((tokens * 10_000) / elapsedMs) / 10;
}
