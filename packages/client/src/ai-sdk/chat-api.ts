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

  async #call(path: string, body: object): Promise<unknown> {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (this.#token !== undefined) headers.authorization = `Bearer ${await readToken(this.#token)}`;
    const request = { method: 'POST', headers, body: JSON.stringify(body) };
    const response = await this.#platform.fetch(`${this.#base}${path}`, request);
    if (!response.ok) throw await readProblem(response);
    return response.json();
  }
}
