import type { MillraceError, PublishMessage, PublishResult } from '@millrace/protocol';
import type { Identity } from '../auth/identity.ts';
import type { Publisher } from './publisher.ts';
import type { SessionSocket } from './session-socket.ts';

/** Publications under way beyond which the socket is not read, and below half of which it is again. */
const MAX_UNDER_WAY = 1024;

/** One session's publications from the message to the answer. */
export class Publications {
  readonly #publisher: Publisher;
  readonly #socket: SessionSocket;
  #underWay = 0;
  #paused = false;
  #onIdle: (() => void) | undefined = undefined;

  constructor(publisher: Publisher, socket: SessionSocket) {
    this.#publisher = publisher;
    this.#socket = socket;
  }

  /** Calls one of the two, later. */
  publish(
    identity: Identity,
    { data, ...event }: PublishMessage,
    onOutcome: (outcome: PublishResult | MillraceError | undefined) => void,
    onError: (error: unknown) => void,
  ): void {
    if (++this.#underWay >= MAX_UNDER_WAY && !this.#paused) {
      this.#paused = true;
      this.#socket.pauseReading();
    }
    void this.#publisher.publish(identity, [{ ...event, data: JSON.stringify(data) }]).then(
      ([outcome]) => {
        onOutcome(outcome);
        this.#settled();
      },
      (error: unknown) => {
        onError(error);
        this.#settled();
      },
    );
  }

  /** Resolves when none is under way. */
  async idle(): Promise<void> {
    if (this.#underWay === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #settled(): void {
    this.#underWay--;
    if (this.#paused && this.#underWay < MAX_UNDER_WAY / 2) {
      this.#paused = false;
      this.#socket.resumeReading();
    }
    if (this.#underWay === 0) this.#onIdle?.();
  }
}
