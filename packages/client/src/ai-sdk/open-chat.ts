import type { ChatMessage } from '@millrace/catalog/views';
import type { MillraceEvent } from '@millrace/protocol';
import type { UIMessage, UIMessageChunk } from 'ai';
import { answerStream } from './answer-stream.ts';
import type { ChatListener } from './chat-transport.ts';
import type { Conversation } from './conversation.ts';
import { uiMessageOf } from './ui-messages.ts';

/** A conversation and what of it one chat on the page shows: what is news to it, and what it asked itself. */
export class OpenChat<Message extends UIMessage> {
  readonly #conversation: Conversation;
  readonly #sessionId: string;
  /** Ids of messages that the page shows, or said itself. */
  readonly #messages = new Set<string>();
  /** Streams of answers that the page shows, or reads. */
  readonly #answers = new Set<string>();
  /** Streams that were announced to be read. */
  readonly #announced = new Set<string>();
  readonly #listeners = new Set<ChatListener<Message>>();
  /** Questions and answers of its own that are under way: only one can be read at a time. */
  #busy = 0;

  readonly #later: (task: () => void) => void;

  /** `later` runs a task in a turn of its own. */
  constructor(conversation: Conversation, sessionId: string, later: (task: () => void) => void) {
    this.#conversation = conversation;
    this.#sessionId = sessionId;
    this.#later = later;
    // Whatever is complete by now is history.
    this.show();
    conversation.on('changed', (event) => this.#onChanged(event));
  }

  get id(): string {
    return this.#conversation.id;
  }

  /** What was said and is complete; it counts as shown. */
  show(): Message[] {
    const complete = this.#conversation.messages.filter(({ answer }) => answer?.state !== 'streaming');
    for (const message of complete) this.#markShown(message);
    return complete.map((message) => uiMessageOf<Message>(message));
  }

  /** It will say a message of this id. */
  say(messageId: string): void {
    this.#messages.add(messageId);
  }

  /** Asks, and counts the answer as its own. */
  async ask(question: () => Promise<string>): Promise<string> {
    this.#busy++;
    try {
      const streamId = await question();
      this.#answers.add(streamId);
      return streamId;
    } finally {
      this.#busy--;
    }
  }

  /** The newest answer that the page does not show. */
  unreadAnswer(): string | undefined {
    const { messages } = this.#conversation;
    return messages.findLast((message) => this.#isUnread(message))?.answer?.stream_id;
  }

  read(streamId: string, onEnded: () => void): ReadableStream<UIMessageChunk> {
    this.#answers.add(streamId);
    this.#busy++;
    let isOver = false;
    return answerStream(this.#conversation, streamId, () => {
      if (isOver) return;
      isOver = true;
      this.#busy--;
      // Whoever left it may come back, and is told how it ended.
      if (this.#conversation.answer(streamId)?.answer?.state === 'streaming') this.#answers.delete(streamId);
      onEnded();
      // The reader has yet to notice that this one has ended.
      this.#later(() => this.#tellOfAnswers());
    });
  }

  follow(listener: ChatListener<Message>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#conversation.close();
  }

  #onChanged(event: MillraceEvent | undefined): void {
    if (event?.event === 'stream.start') {
      const { stream_id, session_id } = event.data as { stream_id: string; session_id?: string };
      // Its own question: the answer to the request has yet to name the stream.
      if (session_id === this.#sessionId) this.#answers.add(stream_id);
    }
    if (this.#listeners.size === 0) return;
    this.#tellOfMessages();
    this.#tellOfAnswers();
  }

  #tellOfMessages(): void {
    for (const message of this.#conversation.messages) {
      const { answer, message_id, timestamp } = message;
      if (answer !== undefined || this.#messages.has(message_id ?? timestamp)) continue;
      this.#tell(message);
    }
  }

  /** Of what is to be read one at a time, which waits while another is read; and of what is complete. */
  #tellOfAnswers(): void {
    if (this.#busy > 0) return;
    const unread = this.#conversation.messages.filter((message) => this.#isUnread(message));
    for (const message of unread) if (message.answer?.state !== 'streaming') this.#tell(message);
    const streaming = unread.flatMap(({ answer }) =>
      answer?.state === 'streaming' && !this.#announced.has(answer.stream_id) ? [answer.stream_id] : [],
    );
    if (streaming.length === 0) return;
    for (const streamId of streaming) this.#announced.add(streamId);
    for (const { onAnswer } of this.#listeners) onAnswer();
  }

  #tell(message: ChatMessage): void {
    this.#markShown(message);
    for (const { onMessage } of this.#listeners) onMessage(uiMessageOf<Message>(message));
  }

  #isUnread({ answer }: ChatMessage): boolean {
    return answer !== undefined && !this.#answers.has(answer.stream_id);
  }

  #markShown({ answer, message_id, timestamp }: ChatMessage): void {
    if (answer !== undefined) this.#answers.add(answer.stream_id);
    else this.#messages.add(message_id ?? timestamp);
  }
}
