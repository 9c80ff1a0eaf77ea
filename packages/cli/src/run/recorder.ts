import { Buffer } from 'node:buffer';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@millrace/client';
import { InFlight } from '../in-flight.ts';

/** What may wait for its answer before the child is paused. */
const MAX_EVENTS = 500;
const MAX_BYTES = 4 * 1024 * 1024;

/** What the SDK's queue must hold: the bound above, and what comes in one go when the child ends. */
export const MAX_QUEUED = 10 * MAX_EVENTS;

export interface RecorderOptions {
  readonly client: Client;
  readonly topic: string;
  readonly executionId: string;
  /** Called once, with the first refusal: nothing is recorded after it. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Publishes one execution's events in order. Their idempotency keys are `<execution id>-<n>`, so that whatever is repeated
 * after a lost connection is stored once.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #inFlight = new InFlight(MAX_EVENTS, MAX_BYTES);
  #recorded = 0;
  #failed = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Events that are not stored yet. */
  get pending(): number {
    return this.#inFlight.items;
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
    const { client, topic, executionId } = this.#options;
    const idempotencyKey = `${executionId}-${++this.#recorded}`;
    const full = { execution_id: executionId, ...data };
    const bytes = typeof data.output === 'string' ? Buffer.byteLength(data.output) : 0;
    const stored = client.publish(topic, event, full, { idempotencyKey, seal: options.seal === true });
    this.#inFlight.add(
      stored.catch((error: unknown) => this.#fail(error)),
      bytes,
    );
  }

  /** Waits until everything is stored. False when something was refused, `timeoutMs` went by or `signal` was given. */
  async flush(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.#failed) return false;
    const timeout = new AbortController();
    const stop = AbortSignal.any([signal, timeout.signal]);
    try {
      return await Promise.race([
        this.#inFlight.settled().then(() => !this.#failed),
        delay(timeoutMs, false, { signal: stop }).catch(() => false),
      ]);
    } finally {
      timeout.abort();
    }
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#options.onFailure(error);
  }
}
