import {
  type EventMessage,
  MillraceError,
  type ServerMessage,
  type Since,
  type SubscribedMessage,
  type SubscribeMessage,
} from '@millrace/protocol';
import { readProblem } from './http-problem.ts';
import type { Platform } from './platform.ts';
import { type SseBlock, SseParser } from './sse-parser.ts';

export interface SseStreamOptions {
  readonly platform: Platform;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly request: SubscribeMessage & { readonly topic: string };
}

export interface SseStreamHandlers {
  readonly message: (message: ServerMessage) => void;
  /** Broken, or ended by the server. */
  readonly lost: (error: MillraceError) => void;
}

/** One subscription as a stream of server-sent events, told as the native protocol tells it. */
export class SseStream {
  readonly #options: SseStreamOptions;
  readonly #handlers: SseStreamHandlers;
  readonly #abort = new AbortController();
  #subscribed = false;
  #cursor = '';

  constructor(options: SseStreamOptions, handlers: SseStreamHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    void this.#run();
  }

  close(): void {
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    try {
      await this.#read();
      throw new MillraceError('unavailable', 'the server ended the event stream');
    } catch (cause) {
      if (this.#abort.signal.aborted) return;
      const error =
        cause instanceof MillraceError
          ? cause
          : new MillraceError('unavailable', `the event stream broke: ${String(cause)}`, { cause });
      this.#handlers.lost(error);
    }
  }

  async #read(): Promise<void> {
    const { platform, url, headers, request } = this.#options;
    const query = new URLSearchParams({ topics: request.topic, format: 'full' });
    if (request.since !== undefined) query.set('since', sinceText(request.since));
    const response = await platform.fetch(`${url}?${query}`, {
      headers: { ...headers, accept: 'text/event-stream' },
      signal: this.#abort.signal,
      cache: 'no-store',
    });
    if (!response.ok || response.body === null) throw await readProblem(response);
    const parser = new SseParser((block) => this.#receive(block));
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (this.#abort.signal.aborted || done) return;
      parser.push(value);
    }
  }

  #receive(block: SseBlock): void {
    if (this.#abort.signal.aborted) return;
    const { request } = this.#options;
    const moved = block.id !== undefined && block.id !== this.#cursor;
    if (block.id !== undefined) this.#cursor = block.id;
    const isGap = block.event === 'gap' && !isFullEvent(block.data);
    if (isGap) this.#answer(gapReason(block.data));
    else if (!this.#subscribed) this.#answer(undefined);
    if (block.data !== undefined && !isGap) this.#handlers.message(eventOf(block.data));
    // The id of an event is the cursor behind it.
    if (moved) this.#handlers.message({ type: 'position', topic: request.topic, cursor: this.#cursor });
  }

  #answer(gap: 'expired' | 'epoch' | undefined): void {
    const { id, topic, since } = this.#options.request;
    const recovered = gap !== undefined ? false : since === undefined ? undefined : true;
    this.#subscribed = true;
    const answer: SubscribedMessage = {
      type: 'subscribed',
      topic,
      cursor: this.#cursor,
      replayed: 0,
      ...(id === undefined ? {} : { id }),
      ...(recovered === undefined ? {} : { recovered }),
      ...(gap === undefined ? {} : { reason: gap }),
    };
    this.#handlers.message(answer);
  }
}

/** An event of the application may be called `gap` as well; with `format=full` it has the fields of an event. */
function isFullEvent(data: string | undefined): boolean {
  return data !== undefined && 'offset' in eventOf(data);
}

function gapReason(data: string | undefined): 'expired' | 'epoch' {
  return data?.includes('"epoch"') ? 'epoch' : 'expired';
}

function eventOf(data: string): EventMessage {
  // `format=full` is the whole event as the native door sends it.
  return JSON.parse(data) as EventMessage;
}

function sinceText(since: Since): string {
  if (typeof since === 'string') return since;
  return 'epoch' in since ? `${since.epoch}:${since.offset}` : JSON.stringify(since);
}
