import type { MillraceError, PublishResult } from '@millrace/protocol';
import type { LastEvent, Timer } from '../platform.ts';
import { reported, type TrackerHost } from './tracker-host.ts';

/** How long leaving a scope waits until the end is stored; after it the SDK goes on trying by itself. */
const LEAVE_MS = 5000;

/** What is wrong with the data, and not with telling it. */
const UNSPEAKABLE: readonly string[] = ['too-large', 'bad-message', 'bad-data', 'too-deep', 'forbidden-key'];
/** Of an error's text, in UTF-16 code units: more would not fit into an event, and it would not be told at all. */
const MAX_ERROR_LENGTH = 4096;

export interface EventToTell {
  readonly event: string;
  readonly data: object;
}

export interface TrackedRunOptions {
  readonly host: TrackerHost;
  readonly kind: 'task' | 'scan' | 'workflow';
  readonly id: string | undefined;
  /** How it ends when it fails. */
  readonly failure: (error: string) => EventToTell;
}

/**
 * The topic of something that begins, goes on and ends, written by one tracker. Every event has an idempotency key of its
 * own; the last one's is known from the start, so that an end that is told twice, by the client and when the process
 * ends, is stored once.
 */
export class TrackedRun {
  readonly id: string;
  readonly topic: string;
  readonly #host: TrackerHost;
  readonly #failure: (error: string) => EventToTell;
  readonly #key: string;
  readonly #startedMs: number;
  readonly #refusals = new Set<string>();
  #told = 0;
  #ending: EventToTell | undefined;
  #stored: Promise<void> | undefined;
  readonly #finished = Promise.withResolvers<unknown>();

  constructor({ host, kind, id, failure }: TrackedRunOptions) {
    this.#host = host;
    this.#failure = failure;
    this.#key = host.platform.uniqueId();
    this.id = id ?? this.#key;
    this.topic = `${kind}.${this.id}`;
    this.#startedMs = host.platform.monotonic();
    if (this.id.includes('.')) throw new TypeError(`the id "${this.id}" must be one segment of a topic`);
    host.checkTopic(this.topic);
  }

  /** Since it began. */
  get durationMs(): number {
    return Math.round(this.#host.platform.monotonic() - this.#startedMs);
  }

  /** What the producer's clock says, for events that may wait for the server. */
  get producedAt(): string {
    return new Date(this.#host.platform.now()).toISOString();
  }

  get ended(): boolean {
    return this.#ending !== undefined;
  }

  /** Resolves when its last event is stored, or refused for good. */
  get finished(): Promise<unknown> {
    return this.#finished.promise;
  }

  /** Tells what nobody has to wait for. A refusal of many is reported once. */
  tell(event: string, data: object): Promise<PublishResult> {
    const idempotencyKey = `${this.#key}-${++this.#told}`;
    const result = this.#host.publish(this.topic, event, data, { idempotencyKey });
    result.catch((error: MillraceError) => {
      if (!this.#refusals.has(error.code)) this.#host.report(error);
      this.#refusals.add(error.code);
    });
    return result;
  }

  /** Seals the topic with the event, unless it has ended before. Resolves when the end is stored. */
  end(ending: EventToTell): Promise<void> {
    this.#stored ??= this.#seal(ending);
    // Reported already; it throws only where it is waited for.
    this.#stored.catch(() => {});
    return this.#stored;
  }

  fail(error: unknown): Promise<void> {
    return this.end(this.#failure(describeError(error)));
  }

  /** Waits for the end to be stored, but not for ever. */
  async leave(): Promise<void> {
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#host.platform.after(LEAVE_MS, resolve);
    });
    await Promise.race([this.#stored?.catch(() => {}), late]);
    timer?.cancel();
  }

  /** How it ends when the process ends now. */
  lastEvent(why: string): LastEvent {
    const { event, data } = this.#ending ?? this.#failure(why);
    return { topic: this.topic, event, data, idempotencyKey: `${this.#key}-end`, seal: true };
  }

  async #seal(ending: EventToTell): Promise<void> {
    this.#ending = ending;
    const { topic, event, data, ...options } = this.lastEvent('');
    try {
      await reported(this.#host, this.#host.publish(topic, event, data, options));
      this.#finished.resolve(undefined);
    } catch (error) {
      // `publish` rejects with nothing else.
      this.#refused(error as MillraceError);
      throw error;
    }
  }

  #refused({ code }: MillraceError): void {
    if (UNSPEAKABLE.includes(code)) {
      // Its result cannot be told: it may end in another way.
      this.#ending = undefined;
      this.#stored = undefined;
      // Where the client is gone, it can still be told when the process ends.
    } else if (code !== 'unavailable' && code !== 'unknown') this.#finished.resolve(undefined);
  }
}

export function describeError(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.slice(0, MAX_ERROR_LENGTH).toWellFormed();
}
