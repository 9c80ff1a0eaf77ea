import { Buffer } from 'node:buffer';
import { setTimeout as delay } from 'node:timers/promises';
import { type Client, MillraceError } from '@millrace/client';
import { InFlight } from '@millrace/server/process';

/**
 * What may be on its way to the log before the command is paused. With four times as many bytes the server
 * grew by 30 MB more, and was no faster (`npm run soak:run`).
 */
const MAX_EVENTS = 500;
const MAX_BYTES = 512 * 1024;

/** What the SDK's queue must hold: the bound above, and what comes in one go at the end. */
export const MAX_QUEUED = 10 * MAX_EVENTS;

const RESTART_DELAY_MS = 1000;

export interface RecorderOptions {
  readonly topic: string;
  /** Nobody else writes to the topic, and nothing was written to it before. */
  readonly ownTopic: boolean;
  readonly executionId: string;
  /** Begins to connect; called at once, and again when a client has given up on publications. */
  readonly openClient: () => Client;
  /** Called once, with the first refusal that is for good: nothing is recorded after it. */
  readonly onFailure: (error: unknown) => void;
  readonly restartDelayMs?: number;
}

interface Entry {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly seal: boolean;
  /** From 1. */
  readonly number: number;
  readonly stored: PromiseWithResolvers<void>;
}

/**
 * Publishes one execution's events, in order, however long the server is away. Their idempotency keys are
 * `<execution id>-<n>`, so that what is repeated is stored once. When the SDK gives up on one of them, all that are not
 * stored are repeated in order on a new connection. On a topic of its own each event names the offset it follows, so that
 * none is stored before the one ahead of it, even when that one was refused for now (a full disk).
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #inFlight = new InFlight(MAX_EVENTS, MAX_BYTES);
  readonly #waiting = new Set<Entry>();
  #client: Client | undefined;
  #restart: NodeJS.Timeout | undefined;
  #recorded = 0;
  #failed = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#client = options.openClient();
  }

  /** Events that are not stored yet. */
  get pending(): number {
    return this.#waiting.size;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** So much waits that no more output should be read; {@link room} tells when to go on. */
  get full(): boolean {
    return this.#inFlight.full;
  }

  room(): Promise<void> {
    return this.#inFlight.room();
  }

  record(
    event: string,
    data: Readonly<Record<string, unknown>>,
    options: { readonly seal?: boolean } = {},
  ): void {
    if (this.#failed) return;
    const { executionId } = this.#options;
    const entry: Entry = {
      event,
      data: { execution_id: executionId, ...data },
      seal: options.seal === true,
      number: ++this.#recorded,
      stored: Promise.withResolvers(),
    };
    this.#waiting.add(entry);
    this.#inFlight.add(
      entry.stored.promise,
      typeof data.output === 'string' ? Buffer.byteLength(data.output) : 0,
    );
    if (this.#client !== undefined) void this.#send(this.#client, entry);
  }

  /** Waits until everything is stored. False when something was refused, `timeoutMs` went by or `signal` was given. */
  async flush(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const settled = new AbortController();
    const stop = AbortSignal.any([signal, settled.signal]);
    const flushed = await Promise.race([
      this.#inFlight.settled().then(() => !this.#failed),
      delay(timeoutMs, false, { signal: stop }).catch(() => false),
    ]);
    settled.abort();
    return flushed;
  }

  /** Lets go of the connection. What is not stored by now will not be. Idempotent. */
  close(): void {
    clearTimeout(this.#restart);
    const client = this.#client;
    this.#client = undefined;
    client?.close();
  }

  async #send(client: Client, entry: Entry): Promise<void> {
    const { topic, ownTopic, executionId } = this.#options;
    const { event, data, seal, number } = entry;
    const idempotencyKey = `${executionId}-${number}`;
    const expectOffset = ownTopic ? number - 1 : undefined;
    try {
      await client.publish(topic, event, data, { idempotencyKey, expectOffset, seal });
      this.#settle(entry);
    } catch (error) {
      // An answer for a client that was given up says nothing new.
      if (client !== this.#client) return;
      if (this.#mayRepeat(client, entry, error)) this.#startAgain(client);
      else this.#fail(client.failure ?? error);
    }
  }

  #mayRepeat(client: Client, entry: Entry, error: unknown): boolean {
    if (!(error instanceof MillraceError) || client.failure?.retryable === false) return false;
    // A conflict means that the one before is not stored yet; for the first that waits, that the log is not ours any more.
    if (error.code === 'conflict') return this.#waiting.values().next().value !== entry;
    return error.retryable;
  }

  #settle(entry: Entry): void {
    this.#waiting.delete(entry);
    entry.stored.resolve();
  }

  /** On a new connection, so that nothing sent later can overtake what is sent again. */
  #startAgain(client: Client): void {
    this.#client = undefined;
    client.close();
    this.#restart = setTimeout(() => {
      const next = this.#options.openClient();
      this.#client = next;
      for (const entry of this.#waiting) void this.#send(next, entry);
    }, this.#options.restartDelayMs ?? RESTART_DELAY_MS);
  }

  #fail(error: unknown): void {
    this.#failed = true;
    // First why, then the loss of the connection that follows from it.
    this.#options.onFailure(error);
    this.close();
    for (const entry of this.#waiting) entry.stored.resolve();
  }
}
