import { MillraceError, type PublishResult } from '@millrace/protocol';
import type { EncodedInput, Publisher } from '../session/publisher.ts';
import { InFlight } from './in-flight.ts';
import type { Recording } from './recording.ts';

/** What may wait to be stored before the command is paused. */
const MAX_EVENTS = 500;
const MAX_BYTES = 2 * 1024 * 1024;
/** What is stored at a time. */
const BATCH_EVENTS = 32;

const RETRY_DELAY_MS = 1000;

export interface LogRecordingOptions {
  readonly publisher: Publisher;
  readonly entity: string;
  /** Nobody else writes to it. */
  readonly topic: string;
  readonly executionId: string;
  /** Who runs it, for readers. */
  readonly source?: string | undefined;
  /** Called once, when an event was refused for good: nothing is recorded after it. */
  readonly onFailure: (error: MillraceError) => void;
}

interface Entry {
  readonly input: EncodedInput;
  readonly stored: PromiseWithResolvers<void>;
}

/** Records an execution in the server's own log, batch after batch; what is refused for now (a full disk) is tried again in its place. */
export class LogRecording implements Recording {
  /** The first event's place; rejects when it was refused for good. */
  readonly first: Promise<PublishResult>;
  readonly #options: LogRecordingOptions;
  readonly #inFlight = new InFlight(MAX_EVENTS, MAX_BYTES);
  readonly #entries: Entry[] = [];
  readonly #first = Promise.withResolvers<PublishResult>();
  #recorded = 0;
  #storing = false;
  #failed = false;

  constructor(options: LogRecordingOptions) {
    this.#options = options;
    this.first = this.#first.promise;
    // Nobody need wait for it.
    this.first.catch(() => {});
  }

  get full(): boolean {
    return this.#inFlight.full;
  }

  room(): Promise<void> {
    return this.#inFlight.room();
  }

  /** Resolves when everything is stored, or refused for good. */
  settled(): Promise<void> {
    return this.#inFlight.settled();
  }

  record(
    event: string,
    data: Readonly<Record<string, unknown>>,
    { seal = false }: { readonly seal?: boolean } = {},
  ): void {
    if (this.#failed) return;
    const { topic, executionId, source } = this.#options;
    const value = { execution_id: executionId, ...data };
    const text = JSON.stringify(value);
    const number = ++this.#recorded;
    const place = { idempotencyKey: `${executionId}-${number}`, expectOffset: number - 1 };
    const input = {
      topic,
      event,
      data: text,
      value,
      seal,
      ...place,
      ...(source !== undefined && { source }),
    };
    const stored = Promise.withResolvers<void>();
    this.#entries.push({ input, stored });
    this.#inFlight.add(stored.promise, text.length);
    if (!this.#storing) void this.#store();
  }

  async #store(): Promise<void> {
    this.#storing = true;
    // What is recorded in this turn is stored together.
    await Promise.resolve();
    while (this.#entries.length > 0) {
      const batch = this.#entries.slice(0, BATCH_EVENTS);
      const outcomes = await this.#options.publisher.publishInternally(
        this.#options.entity,
        batch.map(({ input }) => input),
      );
      const refusal = this.#settle(outcomes);
      if (refusal === undefined) continue;
      if (!refusal.retryable) return this.#fail(refusal);
      await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS));
    }
    this.#storing = false;
  }

  /** Takes what is stored off the queue; the first that is not stays at its head, and says why. */
  #settle(outcomes: readonly (PublishResult | MillraceError)[]): MillraceError | undefined {
    for (const outcome of outcomes) {
      if (outcome instanceof MillraceError) return outcome;
      this.#first.resolve(outcome);
      this.#entries.shift()?.stored.resolve();
    }
    return undefined;
  }

  #fail(error: MillraceError): void {
    this.#failed = true;
    this.#first.reject(error);
    for (const { stored } of this.#entries.splice(0)) stored.resolve();
    this.#options.onFailure(error);
  }
}
