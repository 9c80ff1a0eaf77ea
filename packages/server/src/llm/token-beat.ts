import type { MillraceError, PublishResult } from '@millrace/protocol';
import type { Clock, Timer } from '../clock.ts';
import type { EncodedInput } from '../session/publisher.ts';

/** Publishes events of one entity as the server itself; each succeeds or fails by itself. */
export type PublishMany = (
  entity: string,
  inputs: readonly EncodedInput[],
) => Promise<readonly (PublishResult | MillraceError)[]>;

/** Something with text to publish. */
export interface BeatMember {
  readonly entity: string;
  /** What is to be published now. It is asked again only after {@link settled}. */
  take(): EncodedInput;
  settled(outcome: PublishResult | MillraceError): void;
  /** The publisher itself broke. */
  broken(error: unknown): void;
}

/**
 * The window in which tokens are collected, one for all answers: whatever has come since the last beat is published together, so that
 * a hundred answers cost one commit and one flush a beat. After a quiet time the first token does not wait.
 */
export class TokenBeat {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #publish: PublishMany;
  #due = new Set<BeatMember>();
  #timer: Timer | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: { readonly clock: Clock; readonly windowMs: number; readonly publish: PublishMany }) {
    this.#clock = options.clock;
    this.#windowMs = options.windowMs;
    this.#publish = options.publish;
  }

  /** The member is published with the next beat. Idempotent until then. */
  join(member: BeatMember): void {
    if (this.#closed) return;
    this.#due.add(member);
    if (this.#timer !== undefined) return;
    const delayMs = Math.max(0, this.#lastMs + this.#windowMs - this.#clock.monotonic());
    this.#timer = this.#clock.after(delayMs, () => this.#beat());
  }

  /** The member is published at once, by itself. */
  publishNow(member: BeatMember): void {
    this.#due.delete(member);
    this.#publishTogether(member.entity, [member]);
  }

  /** What has not been published is left. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#due.clear();
  }

  #beat(): void {
    this.#timer = undefined;
    this.#lastMs = this.#clock.monotonic();
    const byEntity = Map.groupBy(this.#due, ({ entity }) => entity);
    this.#due = new Set();
    for (const [entity, members] of byEntity) this.#publishTogether(entity, members);
  }

  #publishTogether(entity: string, members: readonly BeatMember[]): void {
    const inputs = members.map((member) => member.take());
    this.#publish(entity, inputs).then(
      (outcomes) => {
        for (const [i, member] of members.entries()) {
          // There is an outcome for each input.
          member.settled(outcomes[i] as PublishResult | MillraceError);
        }
      },
      (error: unknown) => {
        for (const member of members) member.broken(error);
      },
    );
  }
}
