import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as after, setImmediate as nextTurn } from 'node:timers/promises';
import type { FakeRequest } from './fake-provider.ts';

/** How a stream ends, after its tokens. */
export type FakeEnding =
  /** As it should: the reason, the usage where it was asked for, `[DONE]`. */
  | 'done'
  /** As it should, but for `[DONE]`: some providers leave it out. */
  | 'no-done-marker'
  /** An error object in the place of a chunk. */
  | 'error'
  /** The connection is cut in the middle of a chunk. */
  | 'cut'
  /** The body ends in the middle of a chunk, in good order. */
  | 'truncated'
  /** Nothing comes any more, and the connection stays. */
  | 'hang';

/** An answer that is streamed. */
export interface FakeStream {
  /** One chunk each, in what pace the iterable yields them. */
  readonly tokens: Iterable<string> | AsyncIterable<string>;
  /** From one token to the next, in ms; kept on average. At once when missing. */
  readonly intervalMs?: number;
  /** Before the headers, in ms. */
  readonly delayMs?: number;
  /** The stream is written in packets of so many bytes, which cut lines and characters where it falls; by chunks when missing. */
  readonly packetBytes?: number;
  readonly ending?: FakeEnding;
  /** `stop` when missing. */
  readonly finishReason?: string;
}

/** Writes an answer as a provider does; returns when it is written, or the client gone. */
export async function writeFakeStream(
  response: ServerResponse,
  stream: FakeStream,
  request: FakeRequest,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const writer = new ChunkWriter(response, request, stream.packetBytes, gone.signal);
    await writeStream(writer, stream, request, gone.signal);
  } catch (error) {
    if (!gone.signal.aborted) response.destroy(error as Error);
  }
}

async function writeStream(
  writer: ChunkWriter,
  { tokens, intervalMs = 0, delayMs = 0, ending = 'done', finishReason = 'stop' }: FakeStream,
  { sent, body }: FakeRequest,
  signal: AbortSignal,
): Promise<void> {
  if (delayMs > 0) await after(delayMs, undefined, { signal });
  writer.begin();
  await writer.write(choice({ role: 'assistant', content: '' }));
  const start = performance.now();
  for await (const token of tokens) {
    const early = start + sent.length * intervalMs - performance.now();
    if (early > 0) await after(early, undefined, { signal });
    if (signal.aborted) return;
    sent.push(token);
    await writer.write(choice({ content: token }));
  }
  if (ending === 'hang') return;
  if (ending === 'cut') return writer.cut(choice({ content: 'never whole' }));
  if (ending === 'truncated') return writer.truncate(choice({ content: 'never whole' }));
  if (ending === 'error') {
    await writer.write({
      error: { message: 'the model fell over', type: 'server_error', code: 'overloaded' },
    });
    return writer.end();
  }
  await writer.write(choice({}, finishReason));
  if (body.stream_options?.include_usage === true) await writer.write(usage(sent.length));
  if (ending === 'done') await writer.writeData('[DONE]');
  writer.end();
}

function choice(delta: object, finishReason: string | null = null): object {
  return { choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }] };
}

function usage(tokens: number): object {
  return { choices: [], usage: { prompt_tokens: 7, completion_tokens: tokens, total_tokens: tokens + 7 } };
}

/** Writes `data:` blocks, whole or in packets that end anywhere. */
class ChunkWriter {
  readonly #response: ServerResponse;
  readonly #packetBytes: number | undefined;
  readonly #envelope: object;
  readonly #gone: AbortSignal;

  constructor(
    response: ServerResponse,
    { index, body }: FakeRequest,
    packetBytes: number | undefined,
    gone: AbortSignal,
  ) {
    this.#response = response;
    this.#gone = gone;
    this.#packetBytes = packetBytes;
    this.#envelope = {
      id: `chatcmpl-${index}`,
      object: 'chat.completion.chunk',
      created: Math.floor(Date.now() / 1000),
      model: body.model,
    };
  }

  begin(): void {
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
    });
    this.#response.flushHeaders();
  }

  write(chunk: object): Promise<void> {
    return this.writeData(this.#json(chunk));
  }

  async writeData(data: string): Promise<void> {
    const bytes = Buffer.from(`data: ${data}\n\n`);
    const size = this.#packetBytes ?? bytes.length;
    for (let at = 0; at < bytes.length; at += size) {
      const hasRoom = this.#response.write(bytes.subarray(at, at + size));
      // Each packet is read by itself.
      if (this.#packetBytes !== undefined) await nextTurn();
      if (!hasRoom) await this.#drained();
    }
  }

  cut(chunk: object): void {
    this.#writeHalf(chunk, () => this.#response.socket?.resetAndDestroy());
  }

  truncate(chunk: object): void {
    this.#writeHalf(chunk, () => this.#response.end());
  }

  end(): void {
    this.#response.end();
  }

  #writeHalf(chunk: object, onWritten: () => void): void {
    const data = `data: ${this.#json(chunk)}`;
    this.#response.write(data.slice(0, data.length / 2), onWritten);
  }

  /** Rejects when the client goes instead. */
  async #drained(): Promise<void> {
    if (this.#response.writableNeedDrain) await once(this.#response, 'drain', { signal: this.#gone });
  }

  #json(chunk: object): string {
    return JSON.stringify({ ...this.#envelope, ...chunk });
  }
}
