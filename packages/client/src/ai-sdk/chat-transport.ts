import type { ChatTransport, UIMessage, UIMessageChunk } from 'ai';
import { createClient } from '../client.ts';
import { globalPlatform, type Platform } from '../platform.ts';
import { serverUrls } from '../server-url.ts';
import type { Client, TokenSource } from '../types.ts';
import { ChatApi, type Question } from './chat-api.ts';
import { Conversation } from './conversation.ts';
import { OpenChat } from './open-chat.ts';
import { textOf, turnsOf } from './ui-messages.ts';

export interface ChatTransportOptions {
  /** Base of the server, as `createClient` takes it. */
  readonly url: string;
  /** Of somebody who may publish to the conversations' topics, as members may to `chat.*`. */
  readonly token?: TokenSource | undefined;
  /** A client to share the connection of; without one the transport makes its own, and closes it. */
  readonly client?: Client | undefined;
  /** Who is to answer: a name in the server's `llm.providers`. Default: the server's. */
  readonly provider?: string | undefined;
  /**
   * Whether `stop` ends the provider's request, for everybody; otherwise the answer goes on and only this reader stops. A
   * component that goes away stops its chat as well, unless the chat is kept outside of it (`new Chat({transport})`). Default
   * true.
   */
  readonly cancelOnStop?: boolean | undefined;
  /** Clock, randomness, WebSocket and fetch. Default: the globals of the browser or Node. */
  readonly platform?: Platform | undefined;
}

/** What others do in a conversation. */
export interface ChatListener<Message extends UIMessage = UIMessage> {
  /** Somebody said something, or an answer is complete that was not read here. A message of that id may be there already. */
  readonly onMessage: (message: Message) => void;
  /** An answer to somebody else comes: `resumeStream()` reads it. */
  readonly onAnswer: () => void;
}

/**
 * Conversations of Millrace for `useChat`. A chat's id is the conversation's; all who use the same id are in the same
 * conversation. An answer goes on whether or not anybody reads it.
 */
export interface MillraceChatTransport<Message extends UIMessage = UIMessage> extends ChatTransport<Message> {
  /**
   * What was said so far, to begin a chat with. An answer that is still coming is not among it: `resume: true` brings it.
   * Rejects with a `MillraceError`.
   */
  messages(chatId: string): Promise<Message[]>;
  /** Tells what others do in a conversation from now, or the last `messages`, on; returns its own undo. */
  follow(chatId: string, listener: ChatListener<Message>): () => void;
  /** Ends all reading. Idempotent. */
  close(): void;
}

/**
 * Makes a transport for `useChat`.
 *
 * ```ts
 * const transport = createChatTransport({ url: 'https://example.org', token });
 * const { messages, sendMessage, stop } = useChat({ id, transport, messages: await transport.messages(id), resume: true });
 * ```
 */
export function createChatTransport<Message extends UIMessage = UIMessage>(
  options: ChatTransportOptions,
): MillraceChatTransport<Message> {
  return new ConversationTransport<Message>(options);
}

type SendOptions<Message extends UIMessage> = Parameters<ChatTransport<Message>['sendMessages']>[0];
type ReconnectOptions = Parameters<ChatTransport<UIMessage>['reconnectToStream']>[0];

class ConversationTransport<Message extends UIMessage> implements MillraceChatTransport<Message> {
  /** An answer that is read again begins at its beginning. */
  readonly resumeStreamIsReplay = true;
  readonly #options: ChatTransportOptions;
  readonly #platform: Platform;
  readonly #api: ChatApi;
  /** By which this transport knows its own questions. */
  readonly #sessionId: string;
  readonly #chats = new Map<string, Promise<OpenChat<Message>>>();
  #ownClient: Client | undefined;
  #closed = false;

  constructor(options: ChatTransportOptions) {
    const { url, token, platform = globalPlatform } = options;
    this.#options = options;
    this.#platform = platform;
    this.#api = new ChatApi(serverUrls(url).api, token, platform);
    this.#sessionId = platform.uniqueId();
  }

  async sendMessages(options: SendOptions<Message>): Promise<ReadableStream<UIMessageChunk>> {
    const { chatId, abortSignal } = options;
    const chat = await this.#open(chatId);
    const question = this.#questionOf(options, chat);
    const streamId = await chat.ask(() => this.#api.ask(question));
    return this.#read(chat, streamId, abortSignal);
  }

  async reconnectToStream({
    chatId,
    abortSignal,
  }: ReconnectOptions): Promise<ReadableStream<UIMessageChunk> | null> {
    const chat = await this.#open(chatId);
    const streamId = chat.unreadAnswer();
    // Whoever only looked for an answer does not want it ended.
    if (streamId === undefined || abortSignal?.aborted) return null;
    return this.#read(chat, streamId, abortSignal);
  }

  async messages(chatId: string): Promise<Message[]> {
    return (await this.#open(chatId)).show();
  }

  follow(chatId: string, listener: ChatListener<Message>): () => void {
    let undo: (() => void) | undefined;
    let isOver = false;
    this.#open(chatId).then(
      (chat) => {
        if (!isOver) undo = chat.follow(listener);
      },
      // Whoever sends or reads in the conversation is told.
      () => {},
    );
    return () => {
      isOver = true;
      undo?.();
    };
  }

  close(): void {
    this.#closed = true;
    for (const opening of this.#chats.values()) opening.then((chat) => chat.close()).catch(() => {});
    this.#chats.clear();
    this.#ownClient?.close();
    this.#ownClient = undefined;
  }

  #open(chatId: string): Promise<OpenChat<Message>> {
    const known = this.#chats.get(chatId);
    if (known !== undefined) return known;
    const forget = (): void => {
      if (this.#chats.get(chatId) === opening) this.#chats.delete(chatId);
    };
    const opening = this.#create(chatId, forget);
    this.#chats.set(chatId, opening);
    // What could not be opened is tried again.
    opening.catch(forget);
    return opening;
  }

  async #create(chatId: string, onFailed: () => void): Promise<OpenChat<Message>> {
    const later = (task: () => void): void => void this.#platform.after(0, task);
    const conversation = await Conversation.open(chatId, this.#client(), (error) =>
      later(() => {
        throw error;
      }),
    );
    conversation.on('failed', onFailed);
    if (this.#closed) conversation.close();
    return new OpenChat(conversation, this.#sessionId, later);
  }

  #client(): Client {
    const { client, url, token, platform } = this.#options;
    if (client !== undefined) return client;
    this.#ownClient ??= createClient({ url, token, platform });
    // It gave up before; whoever asks again means it.
    if (this.#ownClient.failure !== undefined) this.#ownClient.connect();
    return this.#ownClient;
  }

  /** Whoever appends sends the prompt alone: the server knows what was said. An edit or another try says what holds. */
  #questionOf(
    { chatId, messages, trigger, messageId }: SendOptions<Message>,
    chat: OpenChat<Message>,
  ): Question {
    const last = messages.at(-1);
    if (last?.role !== 'user') throw new TypeError('the last message must be a user’s');
    const isEdit = trigger === 'submit-message' && messageId !== undefined;
    const id = isEdit ? `${last.id}-${this.#platform.uniqueId()}` : last.id;
    chat.say(id);
    const about = {
      conversation_id: chatId,
      session_id: this.#sessionId,
      ...(this.#options.provider !== undefined && { ai_provider: this.#options.provider }),
    };
    if (trigger === 'submit-message' && !isEdit)
      return { ...about, prompt: textOf(last), message_id: last.id };
    const turns = turnsOf(messages);
    return { ...about, messages: turns.map((turn) => (turn.id === last.id ? { ...turn, id } : turn)) };
  }

  #read(
    chat: OpenChat<Message>,
    streamId: string,
    abortSignal: AbortSignal | undefined,
  ): ReadableStream<UIMessageChunk> {
    const stop = (): void => {
      if (this.#options.cancelOnStop === false) return;
      // It may have ended meanwhile; whoever stopped does not read on either way.
      this.#api.cancel(streamId, chat.id).catch(() => {});
    };
    const stream = chat.read(streamId, () => abortSignal?.removeEventListener('abort', stop));
    if (abortSignal?.aborted) stop();
    else abortSignal?.addEventListener('abort', stop, { once: true });
    return stream;
  }
}
