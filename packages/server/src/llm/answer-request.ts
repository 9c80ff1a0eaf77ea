import type { Chat } from '@millrace/catalog/views';
import { chatTopicOf, MillraceError } from '@millrace/protocol';
import type { Identity } from '../auth/identity.ts';
import type { LlmMessage } from './llm-provider.ts';

/** A turn, as whoever asks names it. */
export interface RequestMessage extends LlmMessage {
  /** A message of that id is in the conversation once, however often it is sent. */
  readonly id?: string | undefined;
}

/** What somebody wants answered. Its shape has been checked. */
export interface AnswerRequest {
  /** What the user says; what was said before in the conversation goes along. */
  readonly prompt?: string | undefined;
  /** Instead: all that the model is to know, oldest first. */
  readonly messages?: readonly RequestMessage[] | undefined;
  /** A new conversation when missing. */
  readonly conversation_id?: string | undefined;
  /** The id of the prompt as a message. */
  readonly message_id?: string | undefined;
  /** Whom the question is from; the token's own user when missing. */
  readonly user_id?: string | undefined;
  /** Who is to answer; the default provider when missing. */
  readonly ai_provider?: string | undefined;
  /** What the asker calls the session that asks; it is told to the readers. */
  readonly session_id?: string | undefined;
}

/** Leaves room for what may come to stand around it. */
const MAX_TOPIC_LENGTH = 205;

/** The topic of a conversation. Throws a `MillraceError` (`bad-message`) for an id that none can have. */
export function topicOfConversation(conversationId: string): string {
  try {
    const topic = chatTopicOf(conversationId);
    if (topic.length <= MAX_TOPIC_LENGTH) return topic;
  } catch {
    // It is said below.
  }
  throw new MillraceError('bad-message', '"/conversation_id" is empty, too long or no well-formed text', {
    details: { path: '/conversation_id' },
  });
}

/** Throws a `MillraceError` (`forbidden`): an answer is published in the topic, for those who may publish there themselves. */
export function assertMayAsk({ permissions, userId }: Identity, topic: string, userOfRequest: string): void {
  if (!permissions.mayPublish(topic)) {
    throw new MillraceError('forbidden', `the token does not permit publishing to "${topic}"`, {
      details: { topic },
    });
  }
  if (userOfRequest !== userId && !permissions.mayBroadcast) {
    throw new MillraceError('forbidden', 'the token does not permit asking on behalf of another user');
  }
}

/** What is said anew in the conversation: the prompt, or the last message where that is a user's. */
export function spokenMessage(request: AnswerRequest): RequestMessage | undefined {
  const { prompt, messages, message_id } = request;
  if (prompt !== undefined) return { role: 'user', content: prompt, id: message_id };
  const last = messages?.at(-1);
  return last?.role === 'user' ? last : undefined;
}

/** The part of a conversation's view that says how one answer stands. */
export function answerOf({ messages }: Chat, streamId: string) {
  return messages.findLast(({ answer }) => answer?.stream_id === streamId)?.answer;
}
