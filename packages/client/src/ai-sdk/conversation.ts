import { type Chat, type ChatMessage, chatView } from '@millrace/catalog/views';
import { MillraceError, type MillraceEvent } from '@millrace/protocol';
import { Emitter } from '../emitter.ts';
import type { Client, Subscription } from '../types.ts';
import { type ChatApi, chatTopicOf } from './chat-api.ts';

interface ConversationEvents {
  /** The state has changed; with the event that did it, where it was one. */
  readonly changed: MillraceEvent | undefined;
  /** It cannot be followed any more. */
  readonly failed: Error;
}

/** One conversation, as far as it is known here: read once, and kept current by its events. */
export class Conversation {
  readonly id: string;
  readonly #client: Client;
  readonly #api: ChatApi;
  readonly #emitter: Emitter<ConversationEvents>;
  #chat: Chat = chatView.initial();
  #subscription: Subscription | undefined;
  #undo: (() => void) | undefined;
  #closed = false;

  private constructor(id: string, client: Client, api: ChatApi, onThrow: (error: unknown) => void) {
    this.id = id;
    this.#client = client;
    this.#api = api;
    this.#emitter = new Emitter(onThrow);
  }

  /** Rejects with a `MillraceError` when it cannot be read. */
  static async open(
    id: string,
    client: Client,
    api: ChatApi,
    onThrow: (error: unknown) => void,
  ): Promise<Conversation> {
    const conversation = new Conversation(id, client, api, onThrow);
    await conversation.#read();
    conversation.#undo = client.on('state', (state) => {
      if (state !== 'reconnect_failed') return;
      conversation.#fail(client.failure ?? new MillraceError('unavailable', 'the client gave up'));
    });
    return conversation;
  }

  /** Oldest first; it changes in place. */
  get messages(): readonly ChatMessage[] {
    return this.#chat.messages;
  }

  answer(streamId: string): ChatMessage | undefined {
    return this.messages.findLast(({ answer }) => answer?.stream_id === streamId);
  }

  on<Name extends keyof ConversationEvents>(
    name: Name,
    listener: (value: ConversationEvents[Name]) => void,
  ): () => void {
    return this.#emitter.on(name, listener);
  }

  /** Idempotent. */
  close(): void {
    this.#fail(new MillraceError('unavailable', 'the transport was closed'));
  }

  async #read(): Promise<void> {
    const { state, position } = await this.#api.snapshot(this.id);
    if (this.#closed) return;
    this.#chat = state;
    const subscription = this.#client.topic(chatTopicOf(this.id), { since: position });
    this.#subscription = subscription;
    subscription.on('event', (event) => {
      this.#chat = chatView.fold(this.#chat, event);
      this.#emitter.emit('changed', event);
    });
    subscription.on('gap', () => this.#readAnew());
    subscription.on('error', (error) => this.#fail(error));
  }

  /** Events are missing: the state is read once more, with what they did. */
  #readAnew(): void {
    this.#subscription?.close();
    this.#read().then(
      () => this.#emitter.emit('changed', undefined),
      (error: unknown) => this.#fail(error instanceof Error ? error : new Error(String(error))),
    );
  }

  #fail(error: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#undo?.();
    this.#subscription?.close();
    this.#emitter.emit('failed', error);
  }
}
