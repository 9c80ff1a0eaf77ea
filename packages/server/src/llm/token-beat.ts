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

/** How many beats a window has: answers take turns, so that a hundred of them do not all wait for one large write. */
const BEATS = 4;

/**
 * The window in which tokens are collected, and the beat in which all answers share commits and flushes: what has come of an answer is
 * published with the first beat after its window, together with other answers'. After a quiet time a token does not wait.
 */
export class TokenBeat {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #beatMs: number;
  readonly #publish: PublishMany;
  readonly #due = new Set<BeatMember>();
  /** When a member was published last. */
  readonly #publishedMs = new WeakMap<BeatMember, number>();
  /** How many were published with each of the last beats of a window, but one. */
  readonly #recent: number[] = Array.from({ length: BEATS - 1 }, () => 0);
  #timer: Timer | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: { readonly clock: Clock; readonly windowMs: number; readonly publish: PublishMany }) {
    this.#clock = options.clock;
    this.#windowMs = options.windowMs;
    this.#beatMs = options.windowMs / BEATS;
    this.#publish = options.publish;
  }

  /** The member is published with the first beat after its window. Idempotent until then. */
  join(member: BeatMember): void {
    if (this.#closed) return;
    this.#due.add(member);
    this.#plan();
  }

  /** The member is published at once, by itself. */
  publishNow(member: BeatMember): void {
    this.#due.delete(member);
    this.#publishedMs.set(member, this.#clock.monotonic());
    this.#publishTogether(member.entity, [member]);
  }

  /** What has not been published is left. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#due.clear();
  }

  #plan(): void {
    if (this.#timer !== undefined || this.#due.size === 0) return;
    const delayMs = Math.max(0, this.#lastMs + this.#beatMs - this.#clock.monotonic());
    this.#timer = this.#clock.after(delayMs, () => this.#beat());
  }

  #beat(): void {
    const nowMs = this.#clock.monotonic();
    this.#timer = undefined;
    this.#lastMs = nowMs;
    // Half a beat too early is nearer than half a beat too late.
    const latestMs = nowMs - this.#windowMs + this.#beatMs / 2;
    const ready = this.#inTurn([...this.#due].filter((member) => this.#lastOf(member) <= latestMs));
    for (const member of ready) {
      this.#due.delete(member);
      this.#publishedMs.set(member, nowMs);
    }
    for (const [entity, members] of Map.groupBy(ready, ({ entity }) => entity)) {
      this.#publishTogether(entity, members);
    }
    this.#plan();
  }

  /**
   * Of those whose window is over, as many as one beat should have where all are spread evenly: they may have begun together. Who
   * waits the longest comes first.
   */
  #inTurn(ready: BeatMember[]): BeatMember[] {
    const inWindow = this.#recent.reduce((sum, count) => sum + count, ready.length);
    const turn = ready
      .sort((a, b) => this.#lastOf(a) - this.#lastOf(b))
      .slice(0, Math.ceil(inWindow / BEATS));
    this.#recent.push(turn.length);
    this.#recent.shift();
    return turn;
  }

  #lastOf(member: BeatMember): number {
    return this.#publishedMs.get(member) ?? Number.NEGATIVE_INFINITY;
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
