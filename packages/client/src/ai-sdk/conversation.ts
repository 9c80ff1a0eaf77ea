import { type Chat, type ChatMessage, chatView } from '@millrace/catalog/views';
import { encodeSegment, MillraceError, type MillraceEvent } from '@millrace/protocol';
import { Emitter } from '../emitter.ts';
import type { Client, Subscription } from '../types.ts';

interface ConversationEvents {
  /** The state has changed: by an event, or, after events were missed, as a whole. */
  readonly changed: MillraceEvent | undefined;
  /** It cannot be followed any more. */
  readonly failed: Error;
}

/** One conversation as it stands, kept current by its events. */
export class Conversation {
  readonly id: string;
  readonly #subscription: Subscription;
  readonly #emitter: Emitter<ConversationEvents>;
  readonly #undo: () => void;
  #chat: Chat = chatView.initial();
  #closed = false;

  private constructor(id: string, client: Client, onThrow: (error: unknown) => void) {
    this.id = id;
    this.#emitter = new Emitter(onThrow);
    this.#undo = client.on('state', (state) => {
      if (state === 'reconnect_failed') this.#fail(client.failure);
    });
    this.#subscription = client.topic(`chat.${encodeSegment(id)}`, { since: 'snapshot' });
    this.#follow(this.#subscription);
  }

  /**
   * Resolves when its state is known; while there is no connection it waits. Rejects with a `MillraceError` when it cannot be
   * read.
   */
  static open(id: string, client: Client, onThrow: (error: unknown) => void): Promise<Conversation> {
    return new Promise((resolve, reject) => {
      const conversation = new Conversation(id, client, onThrow);
      const undo = [
        conversation.on('changed', () => {
          for (const each of undo) each();
          resolve(conversation);
        }),
        conversation.on('failed', reject),
      ];
      if (client.failure !== undefined) conversation.#fail(client.failure);
    });
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

  #follow(subscription: Subscription): void {
    subscription.on('snapshot', ({ view, state }) => {
      if (view !== chatView.name) {
        const problem = `${subscription.topic} has the view "${view}", and not "${chatView.name}"`;
        this.#fail(new MillraceError('not-supported', problem));
        return;
      }
      this.#chat = state as Chat;
      this.#emitter.emit('changed', undefined);
    });
    subscription.on('event', (event) => {
      this.#chat = chatView.fold(this.#chat, event);
      this.#emitter.emit('changed', event);
    });
    subscription.on('error', (error) => this.#fail(error));
    subscription.on('closed', () => this.#fail(undefined));
  }

  #fail(error = new MillraceError('unavailable', 'the conversation is not followed any more')): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#undo();
    this.#subscription.close();
    this.#emitter.emit('failed', error);
  }
}
