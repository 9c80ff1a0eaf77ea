import type { MillraceError, PublishMessage, PublishResult } from '@millrace/protocol';
import type { Identity } from '../auth/identity.ts';
import type { Backlog } from './backlog.ts';
import type { Publisher } from './publisher.ts';

/** One session's publications from the message to the answer. */
export class Publications {
  readonly #publisher: Publisher;
  readonly #backlog: Backlog;
  #underWay = 0;
  #onIdle: (() => void) | undefined = undefined;

  constructor(publisher: Publisher, backlog: Backlog) {
    this.#publisher = publisher;
    this.#backlog = backlog;
  }

  /** Calls one of the two, later. */
  publish(
    identity: Identity,
    { data, ...event }: PublishMessage,
    onOutcome: (outcome: PublishResult | MillraceError | undefined) => void,
    onError: (error: unknown) => void,
  ): void {
    this.#underWay++;
    this.#backlog.begin(1);
    void this.#publisher.publish(identity, [{ ...event, data: JSON.stringify(data), value: data }]).then(
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
    this.#backlog.end(1);
    if (this.#underWay === 0) this.#onIdle?.();
  }
}
