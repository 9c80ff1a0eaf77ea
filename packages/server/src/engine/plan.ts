import type { AppendRequest, AppendResult, StoredEvent } from './engine.ts';
import type { TopicState } from './topic-state.ts';

/** One entity's share of a commit. */
export interface CommittedBatch {
  readonly entity: string;
  /** The entity's newest seq before, and after. */
  readonly prevSeq: number;
  readonly seq: number;
  /** In seq order; none when a topic was deleted. */
  readonly events: readonly StoredEvent[];
}

/**
 * Appends that have been decided on but are not stored yet. The engine stores `events`, then settles the plan:
 * until then nobody sees any of it. Plans may be piled up, and are settled oldest first.
 */
export interface Plan<Own = undefined> {
  /** One for each request, in order; to be handed out only once the plan is committed, refusals too. */
  readonly results: readonly AppendResult[];
  /** What to store, in seq order: one for each request that is accepted. */
  readonly events: readonly StoredEvent[];
  /** For each of `events` its request (where idempotency key and fence are to be found) and its topic. */
  readonly requests: readonly AppendRequest[];
  readonly topics: readonly TopicState<Own>[];
  /** Makes it visible. The batches are in order of commit, one for each entity. */
  commit(): CommittedBatch[];
  /** Undoes this plan **and all that were made after it**, as if they had never been. */
  rollback(): void;
}

/** A fence's token before a plan raised it. */
interface Raised<Own> {
  readonly topic: TopicState<Own>;
  readonly name: string;
  readonly previous: number | undefined;
}

/** A plan as its ledger sees it. */
export class OpenPlan<Own> implements Plan<Own> {
  readonly results: AppendResult[] = [];
  readonly events: StoredEvent[] = [];
  readonly requests: AppendRequest[] = [];
  readonly topics: TopicState<Own>[] = [];
  readonly #settleCommit: (plan: OpenPlan<Own>) => CommittedBatch[];
  readonly #settleRollback: (plan: OpenPlan<Own>) => void;
  #raised: Raised<Own>[] | undefined = undefined;

  constructor(commit: (plan: OpenPlan<Own>) => CommittedBatch[], rollback: (plan: OpenPlan<Own>) => void) {
    this.#settleCommit = commit;
    this.#settleRollback = rollback;
  }

  commit(): CommittedBatch[] {
    return this.#settleCommit(this);
  }

  rollback(): void {
    this.#settleRollback(this);
  }

  raiseFence(topic: TopicState<Own>, name: string, token: number): void {
    this.#raised ??= [];
    this.#raised.push({ topic, name, previous: topic.fences?.get(name) });
    topic.raiseFence(name, token);
  }

  lowerFences(): void {
    const raised = this.#raised ?? [];
    for (let i = raised.length - 1; i >= 0; i--) {
      const { topic, name, previous } = raised[i] as Raised<Own>;
      if (previous === undefined) topic.fences?.delete(name);
      else topic.fences?.set(name, previous);
    }
  }
}

/** The answer to a request that stores nothing: the first result of a repeat, or a refusal. Otherwise `undefined`. */
export function answerUnstored<Own>(
  topic: TopicState<Own>,
  request: AppendRequest,
): AppendResult | undefined {
  const { idempotencyKey, fence, expect } = request;
  const { epoch, plannedOffset: offset } = topic;
  if (idempotencyKey !== undefined) {
    const first = topic.keys?.get(idempotencyKey);
    if (first !== undefined) {
      return {
        status: 'stored',
        position: { epoch, offset: first.offset },
        id: first.id,
        seq: first.seq,
        timestamp: first.timestamp,
        duplicate: true,
      };
    }
  }
  if (topic.plannedSealed) return { status: 'refused', code: 'sealed', head: { epoch, offset } };
  if (fence !== undefined) {
    const token = topic.fences?.get(fence.name);
    if (token !== undefined && token > fence.token) return { status: 'refused', code: 'fenced', token };
  }
  if (expect !== undefined && (expect.offset !== offset || (expect.epoch ?? epoch) !== epoch)) {
    return { status: 'refused', code: 'conflict', head: { epoch, offset } };
  }
  return undefined;
}
