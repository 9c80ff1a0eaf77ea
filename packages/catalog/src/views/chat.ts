import type { MillraceEvent } from '@millrace/protocol';
import type { View } from '../view.ts';

/** `streaming`: more follows. The others are ends, of which `cancelled` and `failed` came before the model was done. */
export type AnswerState = 'streaming' | 'complete' | 'cancelled' | 'failed';

/** Something that was said: by somebody (`chat.message`), or by a model, token by token (`stream.*`). */
export interface ChatMessage {
  /** Missing where nobody named one. */
  readonly message_id?: string;
  /** `user`, `assistant`, `system`. */
  readonly role: string;
  readonly user_id?: string;
  /** Of an answer: what has come of it so far. */
  readonly text: string;
  /** Characters (UTF-16 code units) at the beginning that are not kept, of an answer longer than a view may be. */
  readonly cut?: number;
  /** When it was said, or begun. ISO 8601. */
  readonly timestamp: string;
  /** Of an answer, what makes it one. */
  readonly answer?: ChatAnswer;
}

/** How an answer stands. */
export interface ChatAnswer {
  readonly stream_id: string;
  readonly state: AnswerState;
  /** That have come. */
  readonly tokens: number;
  readonly provider?: string;
  readonly model?: string;
  readonly finish_reason?: string;
  readonly error?: { readonly code: string; readonly message: string; readonly retryable: boolean };
}

/** A conversation: the newest messages and answers, in the order in which they began. */
export interface Chat {
  readonly messages: readonly ChatMessage[];
}

const MAX_MESSAGES = 100;
/** Of one text, in UTF-16 code units: some fifty thousand tokens. */
const MAX_TEXT_LENGTH = 256 * 1024;
/** Of all texts together. */
const MAX_TEXTS_LENGTH = 1024 * 1024;
/** Of whatever else is said of a message: names, reasons. */
const MAX_WORDS_LENGTH = 1000;

type Fields = Readonly<Record<string, unknown>>;

/** What somebody who comes late to a conversation sees: what was said, and each answer as far as it has come. */
export const chatView: View<Chat> = {
  name: 'chat',
  version: 1,
  holdsLog: true,
  initial: () => ({ messages: [] }),
  fold: (chat, event) => {
    const { data } = event;
    // The state is ours.
    if (typeof data === 'object' && data !== null)
      fold(chat.messages as ChatMessage[], event, data as Fields);
    return chat;
  },
};

function fold(messages: ChatMessage[], event: MillraceEvent, data: Fields): void {
  switch (event.event) {
    case 'chat.message':
      say(messages, spoken(event, data));
      break;
    case 'stream.start':
      if (indexOfAnswer(messages, data) === -1) say(messages, begun(event, data));
      break;
    case 'stream.token':
      change(messages, data, (message, answer) => continued(message, answer, data));
      break;
    case 'stream.end':
      change(messages, data, (message, answer) => ({ ...message, answer: ended(answer, data) }));
      break;
    case 'stream.error':
      change(messages, data, (message, answer) => ({ ...message, answer: failed(answer, data) }));
      break;
  }
}

/** Adds a message, or puts it in the place of the one that it says anew; an answer stays one. */
function say(messages: ChatMessage[], message: ChatMessage): void {
  const { message_id } = message;
  const before =
    message_id === undefined ? -1 : messages.findIndex((other) => other.message_id === message_id);
  if (before !== -1) messages[before] = { ...(messages[before] as ChatMessage), ...message };
  else messages.push(message);
  forgetOldest(messages);
}

function forgetOldest(messages: ChatMessage[]): void {
  let length = messages.reduce((sum, { text }) => sum + text.length, 0);
  while (messages.length > MAX_MESSAGES || (length > MAX_TEXTS_LENGTH && messages.length > 1)) {
    length -= (messages.shift() as ChatMessage).text.length;
  }
}

/** An answer that is not known was forgotten, and has ended for whoever comes late. */
function change(
  messages: ChatMessage[],
  data: Fields,
  next: (message: ChatMessage, answer: ChatAnswer) => ChatMessage,
): void {
  const index = indexOfAnswer(messages, data);
  const message = messages[index];
  if (message?.answer === undefined) return;
  messages[index] = next(message, message.answer);
  forgetOldest(messages);
}

/** The newest first: it is nearly always the last. */
function indexOfAnswer(messages: readonly ChatMessage[], { stream_id }: Fields): number {
  return messages.findLastIndex(({ answer }) => answer?.stream_id === stream_id && answer !== undefined);
}

function spoken({ timestamp }: MillraceEvent, data: Fields): ChatMessage {
  return {
    ...texts(data, 'message_id', 'user_id'),
    role: textOf(data.role) ?? 'user',
    ...bounded(textOf(data.text) ?? '', 0),
    timestamp,
  };
}

function begun({ timestamp }: MillraceEvent, data: Fields): ChatMessage {
  const answer: ChatAnswer = {
    stream_id: textOf(data.stream_id) ?? '',
    state: 'streaming',
    tokens: 0,
    ...texts(data, 'provider', 'model'),
  };
  return { ...texts(data, 'message_id'), role: 'assistant', text: '', timestamp, answer };
}

function continued(message: ChatMessage, answer: ChatAnswer, data: Fields): ChatMessage {
  const index = numberOf(data.index) ?? answer.tokens;
  // A repeat, or what came after the end.
  if (index < answer.tokens || answer.state !== 'streaming') return message;
  const text = bounded(message.text + (textOf(data.text) ?? ''), message.cut ?? 0);
  return { ...message, ...text, answer: { ...answer, tokens: index + (numberOf(data.tokens) ?? 1) } };
}

function ended(answer: ChatAnswer, data: Fields): ChatAnswer {
  if (answer.state !== 'streaming') return answer;
  const state = data.finish_reason === 'cancelled' ? 'cancelled' : 'complete';
  const tokens = numberOf(data.tokens) ?? answer.tokens;
  return { ...answer, state, tokens, ...texts(data, 'finish_reason') };
}

function failed(answer: ChatAnswer, data: Fields): ChatAnswer {
  if (answer.state !== 'streaming') return answer;
  const error = {
    code: (textOf(data.code) ?? 'failed').slice(0, MAX_WORDS_LENGTH),
    message: (textOf(data.message) ?? '').slice(0, MAX_WORDS_LENGTH),
    retryable: data.retryable === true,
  };
  return { ...answer, state: 'failed', tokens: numberOf(data.tokens) ?? answer.tokens, error };
}

/** The end of a text that is too long, and how much of its beginning is cut in all. */
function bounded(text: string, cut: number): { readonly text: string; readonly cut?: number } {
  const excess = Math.max(0, text.length - MAX_TEXT_LENGTH);
  const kept = excess === 0 ? text : text.slice(excess);
  return cut + excess === 0 ? { text: kept } : { text: kept, cut: cut + excess };
}

function texts<Name extends string>(data: Fields, ...names: Name[]): { readonly [N in Name]?: string } {
  const found = names.flatMap((name) => {
    const text = textOf(data[name]);
    return text === undefined ? [] : [[name, text.slice(0, MAX_WORDS_LENGTH)] as const];
  });
  return Object.fromEntries(found) as { [N in Name]?: string };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
