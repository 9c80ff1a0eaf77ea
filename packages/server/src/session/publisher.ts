import {
  type EventInput,
  findTopicProblem,
  MillraceError,
  type Priority,
  type PublishResult,
  parsePosition,
} from '@millrace/protocol';
import type { Identity } from '../auth/identity.ts';
import type { Clock } from '../clock.ts';
import type { AppendRequest, AppendResult, Engine } from '../engine/engine.ts';
import { Histogram } from '../metrics/histogram.ts';
import { MAX_EVENT_NAMES, NameCounts } from '../metrics/name-counts.ts';
import type { EventChecks } from './event-checks.ts';

/** An event as a publisher gives it, its data already JSON text. */
export type EncodedInput = Omit<EventInput, 'data'> & {
  readonly data: string;
  /** The data itself, where it is at hand, for its check. */
  readonly value?: unknown;
};

/** One call in so many is timed. */
const SAMPLE_EVERY = 16;

const APPEND_BOUNDS_MS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 5000];

export interface PublisherOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  /** Largest event data, in bytes of its JSON; of what clients may see, not of the server's own records. */
  readonly maxEventBytes: number;
  /** The priority of an event whose publisher named none. */
  readonly priorityOf: (topic: string, event: string) => Priority;
  readonly checks: EventChecks;
}

/** Hears what becomes of events; it is called on the way of every publication, and must not throw. */
export interface PublishObserver {
  /** What was stored, after it was; repeats are left out. */
  stored?(entity: string, events: readonly EncodedInput[]): void;
  /** What the log could not store for now, or of which nobody knows. */
  failed?(input: EncodedInput, error: MillraceError): void;
}

/** Appends events for whoever may: the one way into the log for sessions, the HTTP API, services and embedders. */
export class Publisher {
  /**
   * Events by what became of them: stored; known by their key; not allowed, malformed or in conflict; not stored, because
   * the log could not; and those of which nobody knows.
   */
  readonly counters = { published: 0, duplicates: 0, refused: 0, failed: 0, unknown: 0 };
  /** Events stored, by name. */
  readonly byName: NameCounts = new NameCounts(MAX_EVENT_NAMES);
  /** How long the log takes to store, in ms; sampled. */
  readonly appendLatency: Histogram = new Histogram(APPEND_BOUNDS_MS);
  readonly #clock: Clock;
  #calls = 0;
  readonly #engine: Engine;
  readonly #maxEventBytes: number;
  readonly #priorityOf: PublisherOptions['priorityOf'];
  readonly #checks: EventChecks;
  readonly #observers: PublishObserver[] = [];

  constructor(options: PublisherOptions) {
    this.#engine = options.engine;
    this.#clock = options.clock;
    this.#maxEventBytes = options.maxEventBytes;
    this.#priorityOf = options.priorityOf;
    this.#checks = options.checks;
  }

  /** `observer` hears of everything that is published from now on. */
  observe(observer: PublishObserver): void {
    this.#observers.push(observer);
  }

  /**
   * Publishes as `identity`. Each event succeeds or fails by itself; resolves when all outcomes are known. Events of
   * one topic are stored in the order of calls.
   */
  publish(identity: Identity, inputs: readonly EncodedInput[]): Promise<(PublishResult | MillraceError)[]> {
    return this.#append(identity.entityId, inputs, (topic) => {
      if (!identity.permissions.mayPublish(topic)) {
        throw new MillraceError('forbidden', `the token does not permit publishing to "${topic}"`, {
          details: { topic },
        });
      }
    });
  }

  /** Publishes as the server itself. */
  publishInternally(
    entity: string,
    inputs: readonly EncodedInput[],
  ): Promise<(PublishResult | MillraceError)[]> {
    return this.#append(entity, inputs, () => {});
  }

  /** Publishes one event as the server itself. Rejects with a `MillraceError` when it is not stored, or nobody knows. */
  async publishOneInternally(entity: string, input: EncodedInput): Promise<PublishResult> {
    const [outcome] = await this.publishInternally(entity, [input]);
    if (outcome === undefined || outcome instanceof MillraceError) throw outcome ?? new Error('no outcome');
    return outcome;
  }

  async #append(
    entity: string,
    inputs: readonly EncodedInput[],
    permit: (topic: string) => void,
  ): Promise<(PublishResult | MillraceError)[]> {
    const outcomes = new Array<PublishResult | MillraceError>(inputs.length);
    const requests: AppendRequest[] = [];
    const indexes: number[] = [];
    for (let i = 0; i < inputs.length; i++) {
      const input = inputs[i] as EncodedInput;
      try {
        requests.push(this.#check(entity, input, permit));
        indexes.push(i);
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        outcomes[i] = error;
      }
    }
    const results = await this.#store(requests);
    for (let r = 0; r < results.length; r++) {
      outcomes[indexes[r] as number] = toOutcome(requests[r] as AppendRequest, results[r] as AppendResult);
    }
    for (let i = 0; i < outcomes.length; i++) {
      this.#count(inputs[i] as EncodedInput, outcomes[i] as PublishResult | MillraceError);
    }
    this.#tellStored(entity, inputs, outcomes);
    return outcomes;
  }

  #tellStored(
    entity: string,
    inputs: readonly EncodedInput[],
    outcomes: readonly (PublishResult | MillraceError)[],
  ): void {
    if (this.#observers.length === 0) return;
    const stored = outcomes.every(isNew)
      ? inputs
      : inputs.filter((_, i) => isNew(outcomes[i] as PublishResult | MillraceError));
    if (stored.length === 0) return;
    for (const observer of this.#observers) observer.stored?.(entity, stored);
  }

  /** Timed or not, it takes as many turns: no answer overtakes another. */
  async #store(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    const timed = requests.length > 0 && this.#calls++ % SAMPLE_EVERY === 0;
    const start = timed ? this.#clock.monotonic() : 0;
    const results = await this.#engine.append(requests);
    if (timed) this.appendLatency.observe(this.#clock.monotonic() - start);
    return results;
  }

  #count(input: EncodedInput, outcome: PublishResult | MillraceError): void {
    const { counters } = this;
    if (!(outcome instanceof MillraceError)) {
      if (outcome.duplicate) counters.duplicates++;
      else {
        counters.published++;
        this.byName.add(input.event);
      }
    } else if (outcome.code === 'unknown' || outcome.retryable) {
      if (outcome.code === 'unknown') counters.unknown++;
      else counters.failed++;
      for (const observer of this.#observers) observer.failed?.(input, outcome);
    } else counters.refused++;
  }

  #check(entity: string, input: EncodedInput, permit: (topic: string) => void): AppendRequest {
    const { topic, event, data, source, key, idempotencyKey, fence, seal } = input;
    const problem = findTopicProblem(topic);
    if (problem !== undefined)
      throw new MillraceError('bad-topic', `topic ${JSON.stringify(topic)} ${problem}`);
    permit(topic);
    // The server's own records ([AUTH-9]) have bounds of their own: what limits clients must not make it forget a revocation.
    if (!entity.startsWith('$')) this.#assertFit(input);
    const priority = input.priority ?? this.#priorityOf(topic, event);
    const expect = input.expectOffset === undefined ? undefined : parseExpected(input.expectOffset);
    return { entity, topic, event, data, source, key, priority, idempotencyKey, expect, fence, seal };
  }

  #assertFit(input: EncodedInput): void {
    const { data } = input;
    if (data.length > this.#maxEventBytes || Buffer.byteLength(data) > this.#maxEventBytes) {
      throw new MillraceError('too-large', `the event's data is over ${this.#maxEventBytes} bytes of JSON`, {
        details: { maxEventBytes: this.#maxEventBytes },
      });
    }
    this.#checks.assert(input);
  }
}

function isNew(outcome: PublishResult | MillraceError): boolean {
  return !(outcome instanceof MillraceError) && outcome.duplicate !== true;
}

function parseExpected(expected: number | string): { offset: number; epoch?: string } {
  if (typeof expected === 'number') return { offset: expected };
  const position = parsePosition(expected);
  if (position === undefined)
    throw new MillraceError('bad-position', 'expectOffset is neither an offset nor a position');
  return position;
}

function toOutcome(request: AppendRequest, result: AppendResult): PublishResult | MillraceError {
  const { topic } = request;
  switch (result.status) {
    case 'stored':
      return {
        topic,
        id: result.id,
        offset: result.position.offset,
        epoch: result.position.epoch,
        timestamp: new Date(result.timestamp).toISOString(),
        ...(result.duplicate && { duplicate: true }),
      };
    case 'refused':
      return refusal(topic, result);
    case 'failed':
      return new MillraceError(result.code, result.message);
    case 'unknown':
      return new MillraceError('unknown', result.message);
  }
}

function refusal(topic: string, result: AppendResult & { status: 'refused' }): MillraceError {
  switch (result.code) {
    case 'conflict':
      return new MillraceError('conflict', `the head of "${topic}" is not the expected offset`, {
        details: { position: `${result.head.epoch}:${result.head.offset}` },
      });
    case 'fenced':
      return new MillraceError(
        'fenced',
        `"${topic}" has seen the newer token ${result.token} of this lease`,
        {
          details: { token: result.token },
        },
      );
    case 'sealed':
      return new MillraceError('sealed', `"${topic}" is sealed at offset ${result.head.offset}`, {
        details: { position: `${result.head.epoch}:${result.head.offset}` },
      });
  }
}
