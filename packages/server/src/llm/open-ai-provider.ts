import type OpenAI from 'openai';
import type { Clock } from '../clock.ts';
import type { LlmEnding, LlmProvider, LlmRequest, LlmUsage } from './llm-provider.ts';
import { type AnswerErrorCode, ProviderError } from './provider-error.ts';
import { bodyOf, providerFetch } from './provider-fetch.ts';
import { readRetryAfter } from './retry-after.ts';
import { SseData } from './sse-data.ts';

type OpenAiModule = typeof import('openai');
type ChatRequest = OpenAI.Chat.Completions.ChatCompletionCreateParamsStreaming;
/** Not every server that speaks the protocol sends every field. */
type LooseChunk = DeepPartial<OpenAI.Chat.Completions.ChatCompletionChunk>;
type DeepPartial<T> = T extends object ? { [K in keyof T]?: DeepPartial<T[K]> } : T;

export interface OpenAiProviderOptions {
  /** Where its API begins: `https://api.openai.com/v1`, `http://localhost:11434/v1`. */
  readonly baseUrl: string;
  /** Local servers need none. */
  readonly apiKey?: string | undefined;
  readonly model: string;
  /** Of an answer, in tokens; the provider's own bound when missing. */
  readonly maxTokens?: number | undefined;
  readonly temperature?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Longest that the provider may take to begin its answer: a last resort, who asks has limits of its own. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Some servers of our own choosing want a key in form, and none in fact. */
const NO_KEY = 'none';

/** Loads the package `openai`. Throws an error that says how to get it. */
export async function loadOpenAi(): Promise<OpenAiModule> {
  try {
    return await import('openai');
  } catch (cause) {
    throw new Error('llm.providers needs the package "openai": npm install openai', { cause });
  }
}

/** Asks any server that speaks OpenAI's chat completions: OpenAI, Groq, Ollama, vLLM, llama.cpp, …. It never asks twice by itself. */
export function createOpenAiProvider(openAi: OpenAiModule, options: OpenAiProviderOptions): LlmProvider {
  const { baseUrl, apiKey = NO_KEY, model, headers, timeoutMs } = options;
  const client = new openAi.OpenAI({
    baseURL: baseUrl,
    apiKey,
    // Not from the environment, which may be another program's.
    organization: null,
    project: null,
    maxRetries: 0,
    fetch: providerFetch,
    timeout: timeoutMs,
    logLevel: 'off',
    ...(headers !== undefined && { defaultHeaders: headers }),
  });
  return {
    model,
    stream: (request) => readAnswer(openAi, client, request, options),
  };
}

async function* readAnswer(
  openAi: OpenAiModule,
  client: OpenAI,
  { messages, signal }: LlmRequest,
  options: OpenAiProviderOptions,
): AsyncGenerator<string, LlmEnding, void> {
  const completion = new Completion();
  try {
    // The package's own reader of streams costs more for each token (`npm run soak:llm`).
    const response = await client.chat.completions
      .create(requestOf(messages, options), { signal })
      .asResponse();
    const body = bodyOf(response);
    try {
      while (!completion.isOver) {
        const bytes = await body.read();
        if (bytes === undefined) break;
        for (const data of completion.take(bytes)) {
          const text = completion.read(data);
          if (text !== '') yield text;
        }
      }
      if (completion.isOver) body.finish();
    } finally {
      if (!completion.isOver) body.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw toProviderError(openAi, error, options);
  }
  const { finishReason, usage } = completion;
  // A stream whose connection ends in good order ends as if it were complete.
  if (finishReason === undefined) throw truncated();
  return { finishReason, usage };
}

/** What a body says, in whatever pieces it comes. */
class Completion {
  finishReason: string | undefined;
  usage: LlmUsage | undefined;
  /** The marker of its end has come. */
  isOver = false;
  readonly #decoder = new TextDecoder();
  readonly #events = new SseData();

  /** The data of the chunks that are complete with this piece, up to the marker of the end. */
  take(bytes: Uint8Array): readonly string[] {
    const data = this.#events.take(this.#decoder.decode(bytes, { stream: true }));
    const end = data.indexOf('[DONE]');
    if (end === -1) return data;
    this.isOver = true;
    return data.slice(0, end);
  }

  /** The text of a chunk, if any. Throws a {@link ProviderError} for an error, a `SyntaxError` for what is no chunk. */
  read(data: string): string {
    const chunk = readChunk(data);
    this.usage = usageOf(chunk) ?? this.usage;
    const choice = chunk.choices?.[0];
    this.finishReason = choice?.finish_reason ?? this.finishReason;
    const text = choice?.delta?.content;
    return typeof text === 'string' ? text : '';
  }
}

/** Throws a {@link ProviderError} for an error in the midst of an answer, a `SyntaxError` for what is no chunk. */
function readChunk(data: string): LooseChunk {
  const chunk = JSON.parse(data) as LooseChunk & { readonly error?: unknown };
  if (chunk.error === undefined || chunk.error === null) return chunk;
  throw new ProviderError('failed', 'the provider failed in the midst of its answer');
}

function requestOf(
  messages: LlmRequest['messages'],
  { model, maxTokens, temperature }: OpenAiProviderOptions,
): ChatRequest {
  return {
    model,
    messages: [...messages],
    stream: true,
    stream_options: { include_usage: true },
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    ...(temperature !== undefined && { temperature }),
  };
}

function usageOf({ usage }: LooseChunk): LlmUsage | undefined {
  if (usage === null || usage === undefined) return undefined;
  const { prompt_tokens = 0, completion_tokens = 0 } = usage;
  return { prompt_tokens, completion_tokens };
}

function truncated(cause?: unknown): ProviderError {
  return new ProviderError('truncated', 'the provider’s answer stopped before its end', { cause });
}

/** The provider's own words are left out where they might quote the key or the account. */
function toProviderError(
  openAi: OpenAiModule,
  cause: unknown,
  options: OpenAiProviderOptions,
): ProviderError {
  if (cause instanceof ProviderError) return cause;
  if (cause instanceof SyntaxError) return truncated(cause);
  if (cause instanceof openAi.APIConnectionTimeoutError) {
    return new ProviderError('timeout', 'the provider did not begin to answer in time', { cause });
  }
  if (cause instanceof openAi.APIConnectionError) {
    const { cause: reason = cause } = cause;
    // Where a name has several addresses, the message is empty.
    const detail =
      reason instanceof Error
        ? reason.message || String((reason as NodeJS.ErrnoException).code)
        : cause.message;
    return new ProviderError('failed', 'the provider cannot be reached', { cause, detail });
  }
  if (cause instanceof openAi.APIError) return ofStatus(cause.status, cause, options);
  // What is thrown while the body is read: the connection broke.
  return truncated(cause);
}

function ofStatus(
  status: number | undefined,
  cause: InstanceType<OpenAiModule['APIError']>,
  { clock, apiKey }: OpenAiProviderOptions,
): ProviderError {
  const retryAfterMs = readRetryAfter(cause.headers?.get('retry-after'), clock.now());
  const detail = apiKey === undefined ? cause.message : cause.message.replaceAll(apiKey, '…');
  const [code, message] = meaningOf(status);
  return new ProviderError(code, message, { cause, retryAfterMs, detail });
}

function meaningOf(status: number | undefined): readonly [AnswerErrorCode, string] {
  if (status === undefined) return ['failed', 'the provider failed in the midst of its answer'];
  if (status === 429) return ['busy', 'the provider has too many requests (429)'];
  if (status === 401 || status === 403)
    return ['refused', `the provider does not accept its key (${status})`];
  if (status === 408 || status === 409 || status >= 500) return ['failed', `the provider failed (${status})`];
  return ['refused', `the provider refused the request (${status})`];
}
