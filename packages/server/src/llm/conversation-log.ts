import type { MillraceEvents } from '@millrace/catalog';
import { answerKey, type ControlEvents, controlTopicOf, type PublishResult } from '@millrace/protocol';
import type { EncodedInput, Publisher } from '../session/publisher.ts';
import type { RequestMessage } from './answer-request.ts';
import type { OpenStream } from './open-streams.ts';

/** Publishes what a conversation is told besides an answer's text. Everything rejects with a `MillraceError` as publications do. */
export class ConversationLog {
  readonly #publisher: Publisher;

  constructor(publisher: Publisher) {
    this.#publisher = publisher;
  }

  /** What the user says. A message that was said under its id before is not said again. */
  async say(
    { entity, topic }: OpenStream,
    message: RequestMessage & { readonly id: string },
    userId: string,
  ): Promise<void> {
    const { id, role, content } = message;
    const data: MillraceEvents['chat.message'] = { message_id: id, role, text: content, user_id: userId };
    await this.#publish(entity, topic, 'chat.message', data, `llm/message/${id}`);
  }

  /** An answer begins; its position. */
  async begin(
    { entity, topic, stream_id }: OpenStream,
    facts: Omit<MillraceEvents['stream.start'], 'stream_id'>,
  ): Promise<string> {
    const data: MillraceEvents['stream.start'] = { stream_id, ...facts };
    const key = answerKey(stream_id, 'start');
    const { epoch, offset } = await this.#publish(entity, topic, 'stream.start', data, key);
    return `${epoch}:${offset}`;
  }

  /** An answer that nobody gives any more ends; false when it had an end. */
  async interrupt({ entity, topic, stream_id }: OpenStream, tokens: number | undefined): Promise<boolean> {
    const data: MillraceEvents['stream.error'] = {
      stream_id,
      code: 'interrupted',
      message: 'the server that gave the answer ended',
      retryable: true,
      ...(tokens !== undefined && { tokens }),
    };
    // The key of its end: where one is stored, this is a repeat of it.
    const key = answerKey(stream_id, 'end');
    const { duplicate } = await this.#publish(entity, topic, 'stream.error', data, key);
    return duplicate !== true;
  }

  /** Tells whoever gives an answer that it is not wanted any more. */
  async cancel(entity: string, data: ControlEvents['control.cancel']): Promise<void> {
    await this.#publish(entity, controlTopicOf(data.id), 'control.cancel', data);
  }

  async #publish(
    entity: string,
    topic: string,
    event: string,
    data: object,
    idempotencyKey?: string,
  ): Promise<PublishResult> {
    const input: EncodedInput = {
      topic,
      event,
      data: JSON.stringify(data),
      value: data,
      ...(idempotencyKey !== undefined && { idempotencyKey }),
    };
    return this.#publisher.publishOneInternally(entity, input);
  }
}
