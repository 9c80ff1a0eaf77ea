import type { ChatMessage } from '@millrace/catalog/views';
import type { FinishReason, UIMessageChunk } from 'ai';
import type { Conversation } from './conversation.ts';

/**
 * One answer as the AI SDK reads it: what has come of it so far in one piece, and then what comes. It ends with the answer, or
 * when nobody reads it any more.
 */
export function answerStream(
  conversation: Conversation,
  streamId: string,
  onEnded: () => void,
): ReadableStream<UIMessageChunk> {
  const undo: (() => void)[] = [];
  const end = (): void => {
    for (const each of undo.splice(0)) each();
    onEnded();
  };
  return new ReadableStream<UIMessageChunk>({
    start: (controller) => {
      const chunks = new AnswerChunks(streamId);
      const proceed = (): void => {
        for (const chunk of chunks.of(conversation.answer(streamId))) controller.enqueue(chunk);
        if (!chunks.ended) return;
        controller.close();
        end();
      };
      undo.push(
        conversation.on('changed', proceed),
        conversation.on('failed', (error) => {
          controller.error(error);
          end();
        }),
      );
      proceed();
    },
    cancel: end,
  });
}

/** What of an answer the reader has been told, and hence what is news. */
export class AnswerChunks {
  readonly #id: string;
  #begun = false;
  /** Its text has begun; until then a chat is `submitted`. */
  #hasText = false;
  /** UTF-16 code units of the text. */
  #told = 0;
  ended = false;

  constructor(streamId: string) {
    this.#id = streamId;
  }

  /** What is to be told of the answer as it stands; before it is known, that it begins. */
  of(message: ChatMessage | undefined): UIMessageChunk[] {
    if (this.ended) return [];
    const id = this.#id;
    const chunks: UIMessageChunk[] = [];
    if (!this.#begun) chunks.push({ type: 'start', messageId: id });
    this.#begun = true;
    const delta = this.#newsOf(message);
    if (delta !== '') {
      if (!this.#hasText) chunks.push({ type: 'text-start', id });
      this.#hasText = true;
      chunks.push({ type: 'text-delta', id, delta });
    }
    const state = message?.answer?.state ?? 'streaming';
    if (message === undefined || state === 'streaming') return chunks;
    this.ended = true;
    if (this.#hasText) chunks.push({ type: 'text-end', id });
    return [...chunks, lastChunkOf(message)];
  }

  #newsOf(message: ChatMessage | undefined): string {
    if (message === undefined) return '';
    const { text, cut = 0 } = message;
    const news = text.slice(Math.max(0, this.#told - cut));
    this.#told = cut + text.length;
    return news;
  }
}

function lastChunkOf({ answer }: ChatMessage): UIMessageChunk {
  switch (answer?.state) {
    case 'cancelled':
      return { type: 'abort', reason: 'cancelled' };
    case 'failed':
      return { type: 'error', errorText: answer.error?.message || 'the answer failed' };
    default:
      return { type: 'finish', finishReason: finishReasonOf(answer?.finish_reason) };
  }
}

const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  content_filter: 'content-filter',
  tool_calls: 'tool-calls',
};

function finishReasonOf(reason = 'stop'): FinishReason {
  return FINISH_REASONS[reason] ?? 'other';
}
