import type { ChatMessage } from '@millrace/catalog/views';
import type { UIMessage } from 'ai';

/**
 * What was said, as the AI SDK has it. An answer's id is that of its stream, at every reader; a message that nobody named is
 * known by when it was said.
 */
export function uiMessageOf<Message extends UIMessage>(message: ChatMessage): Message {
  const { message_id, timestamp, role, text, answer } = message;
  const said: UIMessage = {
    id: answer?.stream_id ?? message_id ?? timestamp,
    role: role === 'assistant' || role === 'system' ? role : 'user',
    parts: text === '' ? [] : [{ type: 'text', text, state: 'done' }],
  };
  // Metadata and data parts of an application's own are not in the log.
  return said as Message;
}

/** The text of a message; throws a `TypeError` for parts that no language model is asked with here. */
export function textOf({ parts }: UIMessage): string {
  return parts
    .map((part) => {
      if (part.type === 'text') return part.text;
      if (part.type === 'file') throw new TypeError('a conversation of Millrace takes no files');
      return '';
    })
    .join('');
}

/** All that was said, as the server takes it for a model. */
export function turnsOf(messages: readonly UIMessage[]): { role: string; content: string; id: string }[] {
  return messages
    .map((message) => ({ role: message.role, content: textOf(message), id: message.id }))
    .filter(({ content }) => content !== '');
}
