import { Chat } from '@ai-sdk/react';
import { createChatTransport, type MillraceChatTransport } from '@millrace/client/ai-sdk';
import type { UIMessage } from 'ai';

/** A token lasts an hour. */
const FRESH_MS = 50 * 60_000;

/**
 * The conversations of this page. They are kept outside of components, so that leaving one does not stop its answer: only
 * the button does.
 */
export class Chats {
  readonly #transport: MillraceChatTransport;
  readonly #chats = new Map<string, Promise<Chat<UIMessage>>>();

  constructor() {
    this.#transport = createChatTransport({ url: window.location.origin, token: createTokenSource() });
  }

  /** A conversation with what was said so far; an answer that is on its way comes by itself. */
  open(id: string): Promise<Chat<UIMessage>> {
    const known = this.#chats.get(id);
    if (known !== undefined) return known;
    const opening = this.#open(id);
    this.#chats.set(id, opening);
    opening.catch(() => this.#chats.delete(id));
    return opening;
  }

  async #open(id: string): Promise<Chat<UIMessage>> {
    const transport = this.#transport;
    const chat = new Chat({ id, transport, messages: await transport.messages(id) });
    // What is said in other tabs, and by others.
    transport.follow(id, {
      onMessage: (message) => {
        chat.messages = withMessage(chat.messages, message);
      },
      onAnswer: () => void chat.resumeStream(),
    });
    void chat.resumeStream();
    return chat;
  }
}

/** In the place of the message of its id, or at the end. */
function withMessage(messages: readonly UIMessage[], message: UIMessage): UIMessage[] {
  const known = messages.some(({ id }) => id === message.id);
  return known ? messages.map((each) => (each.id === message.id ? message : each)) : [...messages, message];
}

/** Asks our own server for a token, which knows who is logged in. */
function createTokenSource(): () => Promise<string> {
  let token: Promise<string> | undefined;
  let untilMs = 0;
  return () => {
    if (token === undefined || Date.now() > untilMs) {
      untilMs = Date.now() + FRESH_MS;
      token = fetch('/token', { method: 'POST' }).then((response) => response.text());
      token.catch(() => {
        token = undefined;
      });
    }
    return token;
  };
}
