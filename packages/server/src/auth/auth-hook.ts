import { MillraceError } from '@millrace/protocol';
import { unauthorized } from './auth-error.ts';
import { cannotCheck, type ProviderParts } from './custom-provider.ts';
import type { Identity } from './identity.ts';
import { TokenCache } from './token-cache.ts';
import { Turnstile } from './turnstile.ts';

/** The application's backend, asked by HTTP. */
export interface AuthHookOptions {
  readonly url: string;
  /** From the question to the whole answer, in ms; 2,000 when missing. */
  readonly timeoutMs?: number | undefined;
  /** How long an answer counts, in ms; 30,000 when missing. A refusal counts no longer than 5,000. */
  readonly cacheMs?: number | undefined;
  /** Sent with every question, so that the backend knows who asks. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Answers that are kept, and beside them as many refusals. */
  readonly maxCached?: number | undefined;
}

type Outcome = { readonly identity: Identity } | { readonly refusal: MillraceError };

const MAX_REFUSED_MS = 5_000;
const MAX_ANSWER_BYTES = 65_536;
/** Questions under way at once, and how many may wait for their turn: a flood of tokens must not become one of the backend. */
const MAX_ASKING = 64;
const MAX_WAITING = 10_000;

async function readAnswer(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`the answer is over ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    // The parser's message would quote it, and it may have the token.
    throw new Error('the answer is not JSON');
  }
}

/**
 * Asks the application's backend who bears a token: `POST {token}`, answered with 200 and claims, or with 401 or 403.
 * Anything else lets nobody in and asks the client to try again. Answers are kept for a while, by the token's SHA-256; those who ask
 * for the same token at once share one question.
 */
export class AuthHook {
  readonly #options: AuthHookOptions;
  readonly #parts: ProviderParts;
  readonly #timeoutMs: number;
  readonly #cacheMs: number;
  readonly #known: TokenCache<Outcome>;
  /** Apart, so that a flood of made-up tokens does not make it forget who is known. */
  readonly #refused: TokenCache<Outcome>;
  readonly #asking = new Map<string, Promise<Outcome>>();
  readonly #turnstile = new Turnstile({ maxInside: MAX_ASKING, maxWaiting: MAX_WAITING });
  #failing = false;

  constructor(options: AuthHookOptions, parts: ProviderParts) {
    this.#options = options;
    this.#parts = parts;
    this.#timeoutMs = options.timeoutMs ?? 2_000;
    this.#cacheMs = options.cacheMs ?? 30_000;
    this.#known = new TokenCache(options.maxCached ?? 10_000);
    this.#refused = new TokenCache(options.maxCached ?? 10_000);
  }

  /** Rejects with a `MillraceError`: `unauthorized`, `token-expired`, `unavailable`. */
  async check(token: string, digest: string): Promise<Identity> {
    const now = this.#parts.clock.now();
    const kept = this.#known.get(digest, now) ?? this.#refused.get(digest, now);
    const outcome = kept ?? (await this.#askOnce(token, digest));
    if ('refusal' in outcome) throw outcome.refusal;
    return outcome.identity;
  }

  #askOnce(token: string, digest: string): Promise<Outcome> {
    let asking = this.#asking.get(digest);
    if (asking === undefined) {
      asking = this.#ask(token, digest).finally(() => this.#asking.delete(digest));
      this.#asking.set(digest, asking);
    }
    return asking;
  }

  async #ask(token: string, digest: string): Promise<Outcome> {
    let outcome: Outcome;
    try {
      outcome = this.#judge(
        token,
        await this.#inTime((signal) => this.#turnstile.pass(() => this.#post(token, signal))),
      );
      this.#failing = false;
    } catch (error) {
      // Once for each time that the backend fails, not for each client.
      if (!this.#failing) this.#parts.onError(error, 'asking the backend that checks tokens (auth.hook)');
      this.#failing = true;
      throw cannotCheck(error);
    }
    const now = this.#parts.clock.now();
    const until = now + this.#cacheMs;
    if ('refusal' in outcome) this.#refused.set(digest, outcome, Math.min(until, now + MAX_REFUSED_MS));
    else this.#known.set(digest, outcome, Math.min(until, outcome.identity.expiresAt));
    return outcome;
  }

  #judge(token: string, claims: unknown): Outcome {
    if (claims === undefined) return { refusal: unauthorized('the application refuses the token') };
    try {
      return { identity: this.#parts.read(token, claims) };
    } catch (error) {
      if (error instanceof MillraceError) return { refusal: error };
      throw error;
    }
  }

  /** The claims, or `undefined` for a refusal. */
  async #post(token: string, signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted();
    const response = await fetch(this.#options.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...this.#options.headers },
      body: JSON.stringify({ token }),
      // The token is for this address, not for another that it points to.
      redirect: 'error',
      signal,
    });
    if (response.status === 200) return readAnswer(response);
    await response.body?.cancel();
    if (response.status === 401 || response.status === 403) return undefined;
    throw new Error(`it answered with HTTP ${response.status}`);
  }

  async #inTime<Result>(ask: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const abort = new AbortController();
    const late = Promise.withResolvers<never>();
    const timer = this.#parts.clock.after(this.#timeoutMs, () => {
      const error = new Error(`no answer within ${this.#timeoutMs} ms`);
      abort.abort(error);
      late.reject(error);
    });
    try {
      return await Promise.race([ask(abort.signal), late.promise]);
    } finally {
      timer.cancel();
    }
  }
}
