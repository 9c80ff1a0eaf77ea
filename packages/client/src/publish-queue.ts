import {
  type ErrorMessage,
  IDEMPOTENCY_WINDOW_MS,
  MillraceError,
  type OkMessage,
  type PublishResult,
} from '@millrace/protocol';
import type { Platform, Timer } from './platform.ts';

/** The connection that carries publications, while there is one. */
export interface PublishWire {
  send(text: string): void;
  /** How long the next message should wait so as not to be refused as too many; 0 for now. */
  paceMs(): number;
}

export interface PublishQueueOptions {
  readonly platform: Platform;
  readonly maxMessages: number;
  readonly maxAgeMs: number;
}

interface Entry {
  readonly id: string;
  readonly text: string;
  readonly topic: string;
  readonly resolve: (result: PublishResult) => void;
  readonly reject: (error: MillraceError) => void;
  readonly addedMs: number;
  firstSentMs: number | undefined;
  onTheWay: boolean;
  /** Refused for now, so many times. */
  refusals: number;
  /** The last answer says that nothing was stored. */
  refusal: MillraceError | undefined;
}

/** Unanswered publications at a time: enough to keep a link busy, few enough to hold back when refused. */
const MAX_UNANSWERED = 128;
/** About half a minute of backoff. */
const MAX_REFUSALS = 12;
const EXPIRY_CHECK_MS = 60_000;
const MIN_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5000;
/** The server's window counts from when it stored the first; ours from before that, and ends a little sooner. */
const REPEAT_WINDOW_MS: number = IDEMPOTENCY_WINDOW_MS - 30_000;

/**
 * Publications in the order of the calls, from the call to the answer. Each carries an idempotency key, so what was
 * sent and not answered is sent again on the next connection. When the server refuses one for now, nothing new is sent
 * until all that are on their way are answered; then those refused go first.
 */
export class PublishQueue {
  readonly #options: PublishQueueOptions;
  readonly #entries = new Map<string, Entry>();
  #wire: PublishWire | undefined;
  #onTheWay = 0;
  /** Set while a refusal is waited out. */
  #backoff: Timer | undefined;
  #backingOff = false;
  #pace: Timer | undefined;
  #expiry: Timer | undefined;
  #expiryAtMs = 0;
  #ids = 0;

  constructor(options: PublishQueueOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#entries.size;
  }

  /** `encode` gets the message's id. Rejects with `overloaded` when the queue is full. */
  add(topic: string, encode: (id: string) => string): Promise<PublishResult> {
    const { maxMessages, platform } = this.#options;
    if (this.#entries.size >= maxMessages) {
      const message = `${topic}: ${maxMessages} publications wait for their answer already (offlineQueue.maxMessages)`;
      return Promise.reject(new MillraceError('overloaded', message));
    }
    const id = `p${++this.#ids}`;
    const text = encode(id);
    const addedMs = platform.monotonic();
    return new Promise((resolve, reject) => {
      this.#entries.set(id, {
        id,
        text,
        topic,
        resolve,
        reject,
        addedMs,
        firstSentMs: undefined,
        onTheWay: false,
        refusals: 0,
        refusal: undefined,
      });
      this.#planExpiry(addedMs + this.#options.maxAgeMs);
      this.#flush();
    });
  }

  opened(wire: PublishWire): void {
    this.#wire = wire;
    this.#flush();
  }

  /** Whatever was on its way may or may not have been stored, and will be repeated. */
  lost(): void {
    this.#wire = undefined;
    this.#onTheWay = 0;
    for (const entry of this.#entries.values()) {
      if (entry.onTheWay) entry.refusal = undefined;
      entry.onTheWay = false;
    }
    this.#stopWaiting();
  }

  /** The client gave up or was closed. */
  rejectAll(why: string, cause?: MillraceError): void {
    this.#stopWaiting();
    this.#expiry?.cancel();
    this.#expiry = undefined;
    for (const entry of [...this.#entries.values()]) this.#giveUp(entry, why, cause);
  }

  answered(message: OkMessage | ErrorMessage): void {
    const entry = message.id === undefined ? undefined : this.#entries.get(String(message.id));
    if (entry === undefined || !entry.onTheWay) return;
    entry.onTheWay = false;
    this.#onTheWay -= 1;
    if (message.type === 'ok') this.#stored(entry, message);
    else this.#refused(entry, message);
    this.#flush();
  }

  #stored(entry: Entry, { result }: OkMessage): void {
    this.#entries.delete(entry.id);
    // [PUB-1] gives the result of a publication this shape.
    entry.resolve(result as PublishResult);
  }

  #refused(entry: Entry, { code, message, retryable, details }: ErrorMessage): void {
    const error = new MillraceError(code, `${entry.topic}: ${message}`, { retryable, details });
    if (code !== 'rate-limited') entry.refusals += 1;
    if (!retryable || entry.refusals > MAX_REFUSALS) {
      this.#entries.delete(entry.id);
      entry.reject(error);
      return;
    }
    entry.refusal = code === 'unknown' || code === 'internal' ? undefined : error;
    this.#backOff(entry.refusals, details?.retryAfterMs);
  }

  #backOff(refusals: number, retryAfterMs: unknown): void {
    if (this.#backingOff) return;
    const { platform } = this.#options;
    const bound = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** refusals);
    const jittered = bound / 2 + (platform.random() * bound) / 2;
    const delayMs =
      typeof retryAfterMs === 'number' ? retryAfterMs + platform.random() * MIN_BACKOFF_MS : jittered;
    this.#backingOff = true;
    this.#backoff = platform.after(delayMs, () => {
      this.#backoff = undefined;
      this.#flush();
    });
  }

  /** After a refusal: both the delay and the answers still to come are waited for. */
  #heldBack(): boolean {
    if (!this.#backingOff) return false;
    if (this.#backoff !== undefined || this.#onTheWay > 0) return true;
    this.#backingOff = false;
    return false;
  }

  #flush(): void {
    const wire = this.#wire;
    if (wire === undefined || this.#heldBack()) return;
    for (const entry of this.#entries.values()) {
      if (this.#onTheWay >= MAX_UNANSWERED) return;
      if (entry.onTheWay) continue;
      const waitMs = wire.paceMs();
      if (waitMs > 0) {
        this.#flushLater(waitMs);
        return;
      }
      this.#send(wire, entry);
    }
  }

  #flushLater(delayMs: number): void {
    this.#pace?.cancel();
    this.#pace = this.#options.platform.after(delayMs, () => this.#flush());
  }

  #send(wire: PublishWire, entry: Entry): void {
    entry.onTheWay = true;
    entry.firstSentMs ??= this.#options.platform.monotonic();
    this.#onTheWay += 1;
    wire.send(entry.text);
  }

  #stopWaiting(): void {
    this.#backoff?.cancel();
    this.#backoff = undefined;
    this.#backingOff = false;
    this.#pace?.cancel();
  }

  #deadlineMs(entry: Entry): number {
    // A repeat after the window could be stored twice; what was certainly not stored is as good as never sent.
    const uncertain = entry.firstSentMs !== undefined && entry.refusal === undefined;
    if (uncertain) return (entry.firstSentMs ?? 0) + REPEAT_WINDOW_MS;
    return entry.addedMs + this.#options.maxAgeMs;
  }

  /** One timer, at the earliest deadline or after a minute, for deadlines move when something is sent or refused. */
  #planExpiry(deadlineMs: number): void {
    if (this.#expiry !== undefined && this.#expiryAtMs <= deadlineMs) return;
    this.#expiry?.cancel();
    const nowMs = this.#options.platform.monotonic();
    this.#expiryAtMs = Math.min(deadlineMs, nowMs + EXPIRY_CHECK_MS);
    this.#expiry = this.#options.platform.after(Math.max(0, this.#expiryAtMs - nowMs), () => this.#expire());
  }

  #expire(): void {
    this.#expiry = undefined;
    const nowMs = this.#options.platform.monotonic();
    let nextMs = Infinity;
    for (const entry of [...this.#entries.values()]) {
      const deadlineMs = this.#deadlineMs(entry);
      if (nowMs >= deadlineMs) this.#giveUp(entry, 'it waited too long for a connection');
      else nextMs = Math.min(nextMs, deadlineMs);
    }
    if (this.#entries.size > 0) this.#planExpiry(nextMs);
  }

  #giveUp(entry: Entry, why: string, cause?: MillraceError): void {
    this.#entries.delete(entry.id);
    if (entry.onTheWay) this.#onTheWay -= 1;
    const stored =
      entry.firstSentMs !== undefined && entry.refusal === undefined ? 'may have been' : 'was not';
    const code = stored === 'was not' ? 'unavailable' : 'unknown';
    entry.reject(
      new MillraceError(code, `${entry.topic}: the event ${stored} stored: ${why}`, cause && { cause }),
    );
  }
}
