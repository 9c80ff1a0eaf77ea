import type { Chat } from '@millrace/catalog/views';
import { encodeSegment } from '@millrace/protocol';
import { readProblem } from '../http-problem.ts';
import type { Platform } from '../platform.ts';
import { readToken } from '../token.ts';
import type { TokenSource } from '../types.ts';

/** A question as the server takes it; either the new prompt alone, or all that the model is to know. */
export interface Question {
  readonly conversation_id: string;
  readonly prompt?: string;
  /** The id of the prompt. */
  readonly message_id?: string;
  readonly messages?: readonly { readonly role: string; readonly content: string; readonly id?: string }[];
  readonly ai_provider?: string | undefined;
  readonly session_id: string;
}

/** A conversation at a place of its topic. */
export interface ChatSnapshot {
  readonly state: Chat;
  /** `epoch:offset` */
  readonly position: string;
}

/** What conversations need of the HTTP API. Everything rejects with a `MillraceError`, or as `fetch` does. */
export class ChatApi {
  readonly #base: string;
  readonly #token: TokenSource | undefined;
  readonly #platform: Platform;

  constructor(base: string, token: TokenSource | undefined, platform: Platform) {
    this.#base = base;
    this.#token = token;
    this.#platform = platform;
  }

  /** Has a question answered; the answer's id. */
  async ask(question: Question): Promise<string> {
    const { stream_id } = (await this.#call('/llm/stream', question)) as { stream_id: string };
    return stream_id;
  }

  async cancel(streamId: string, conversationId: string): Promise<void> {
    await this.#call(`/llm/${encodeURIComponent(streamId)}/cancel`, { conversation_id: conversationId });
  }

  snapshot(conversationId: string): Promise<ChatSnapshot> {
    return this.#call(`/topics/${chatTopicOf(conversationId)}/snapshot`) as Promise<ChatSnapshot>;
  }

  async #call(path: string, body?: object): Promise<unknown> {
    const headers: Record<string, string> = {};
    if (this.#token !== undefined) headers.authorization = `Bearer ${await readToken(this.#token)}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const response = await this.#platform.fetch(`${this.#base}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw await readProblem(response);
    return response.json();
  }
}

export function chatTopicOf(conversationId: string): string {
  return `chat.${encodeSegment(conversationId)}`;
}
