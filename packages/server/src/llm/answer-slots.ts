import { MillraceError } from '@millrace/protocol';

export interface AnswerBounds {
  /** Answers at a time at this node. */
  readonly max: number;
  /** Of one user. */
  readonly maxPerUser: number;
}

/** Who may be given how many answers at a time. */
export class AnswerSlots {
  readonly #bounds: AnswerBounds;
  readonly #byUser = new Map<string, number>();
  #taken = 0;

  constructor(bounds: AnswerBounds) {
    this.#bounds = bounds;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Returns its own undo, which is idempotent. Throws a `MillraceError` (`overloaded`) where there is no room. */
  take(entityId: string, userId: string): () => void {
    const { max, maxPerUser } = this.#bounds;
    const user = JSON.stringify([entityId, userId]);
    const ofUser = this.#byUser.get(user) ?? 0;
    if (ofUser >= maxPerUser) refuse('llm.maxStreamsPerUser', maxPerUser, 'to you');
    if (this.#taken >= max) refuse('llm.maxStreams', max, 'by this server');
    this.#taken++;
    this.#byUser.set(user, ofUser + 1);
    let given = true;
    return () => {
      if (!given) return;
      given = false;
      this.#release(user);
    };
  }

  #release(user: string): void {
    this.#taken--;
    const left = (this.#byUser.get(user) ?? 1) - 1;
    if (left > 0) this.#byUser.set(user, left);
    else this.#byUser.delete(user);
  }
}

function refuse(limit: string, max: number, by: string): never {
  throw new MillraceError(
    'overloaded',
    `${max} answers are being given ${by}, which is the most; wait for one to end`,
    { details: { limit, max } },
  );
}
