import type { Chat, ChatMessage } from '@millrace/catalog/views';
import type { LlmMessage } from './llm-provider.ts';

/** What of a conversation goes along with a new prompt. */
export interface HistoryBounds {
  /** Messages and answers. */
  readonly maxMessages: number;
  /** UTF-16 code units of their texts. */
  readonly maxChars: number;
}

/** The newest turns of a conversation, oldest first, as far as the bounds let them. */
export function historyOf({ messages }: Chat, { maxMessages, maxChars }: HistoryBounds): LlmMessage[] {
  const history: LlmMessage[] = [];
  let chars = 0;
  for (const message of messages.toReversed()) {
    if (!isTurn(message)) continue;
    chars += message.text.length;
    if (history.length >= maxMessages || chars > maxChars) break;
    history.push({ role: roleOf(message), content: message.text });
  }
  return history.reverse();
}

/** What has no text, or is still being said, is no turn yet. */
function isTurn({ text, answer }: ChatMessage): boolean {
  return text !== '' && answer?.state !== 'streaming';
}

function roleOf({ role }: ChatMessage): LlmMessage['role'] {
  return role === 'assistant' || role === 'system' ? role : 'user';
}
