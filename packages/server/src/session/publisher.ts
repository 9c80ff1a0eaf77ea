import {
  type EventInput,
  findTopicProblem,
  MillraceError,
  type Priority,
  type PublishResult,
  parsePosition,
} from '@millrace/protocol';
import type { Identity } from '../auth/identity.ts';
import type { AppendRequest, AppendResult, Engine } from '../engine/engine.ts';

/** An event as a publisher gives it, its data already JSON text. */
export type EncodedInput = Omit<EventInput, 'data'> & { readonly data: string };

export interface PublisherOptions {
  readonly engine: Engine;
  /** Largest event data, in bytes of its JSON. */
  readonly maxEventBytes: number;
  /** The priority of an event whose publisher named none. */
  readonly priorityOf: (topic: string, event: string) => Priority;
}

/** Appends events for whoever may: the one way into the log for sessions, the HTTP API, services and embedders. */
export class Publisher {
  readonly counters = { published: 0, failed: 0 };
  readonly #engine: Engine;
  readonly #maxEventBytes: number;
  readonly #priorityOf: PublisherOptions['priorityOf'];

  constructor(options: PublisherOptions) {
    this.#engine = options.engine;
    this.#maxEventBytes = options.maxEventBytes;
    this.#priorityOf = options.priorityOf;
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
    const results = await this.#engine.append(requests);
    for (let r = 0; r < results.length; r++) {
      outcomes[indexes[r] as number] = toOutcome(requests[r] as AppendRequest, results[r] as AppendResult);
    }
    for (const outcome of outcomes) {
      if (outcome instanceof MillraceError) this.counters.failed++;
      else this.counters.published++;
    }
    return outcomes;
  }

  #check(entity: string, input: EncodedInput, permit: (topic: string) => void): AppendRequest {
    const { topic, event, data, source, key, idempotencyKey, fence, seal } = input;
    const problem = findTopicProblem(topic);
    if (problem !== undefined)
      throw new MillraceError('bad-topic', `topic ${JSON.stringify(topic)} ${problem}`);
    permit(topic);
    if (data.length > this.#maxEventBytes || Buffer.byteLength(data) > this.#maxEventBytes) {
      throw new MillraceError('too-large', `the event's data is over ${this.#maxEventBytes} bytes of JSON`, {
        details: { maxEventBytes: this.#maxEventBytes },
      });
    }
    const priority = input.priority ?? this.#priorityOf(topic, event);
    const expect = input.expectOffset === undefined ? undefined : parseExpected(input.expectOffset);
    return { entity, topic, event, data, source, key, priority, idempotencyKey, expect, fence, seal };
  }
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
