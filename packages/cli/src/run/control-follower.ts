import { type Client, MillraceError } from '@millrace/client';
import { type Control, controlTopicOf, readControl } from '@millrace/protocol';
import { type ControlRights, type Execution, obey } from '@millrace/server/process';

/**
 * Follows a run's control topic, over whichever client is the present one. What was said before a client is there waits in the topic,
 * which is as new as the run.
 */
export class ControlFollower {
  readonly #topic: string;
  readonly #onRefused: (error: MillraceError) => void;
  readonly #waiting: Control[] = [];
  #obey: ((control: Control) => void) | undefined;
  #position: string | undefined;

  constructor(executionId: string, onRefused: (error: MillraceError) => void) {
    this.#topic = controlTopicOf(executionId);
    this.#onRefused = onRefused;
  }

  /** From now on the execution is there. */
  start(execution: Execution, rights: ControlRights): void {
    this.#obey = (control) => obey(execution, control, rights);
    for (const control of this.#waiting.splice(0)) this.#obey(control);
  }

  /** Goes on where the last client stopped. Ends with the client. */
  async follow(client: Client): Promise<void> {
    try {
      for await (const event of client.topic(this.#topic, { since: this.#position ?? 'earliest' })) {
        this.#position = `${event.epoch}:${event.offset}`;
        const control = readControl(event);
        if (control === undefined) continue;
        if (this.#obey === undefined) this.#waiting.push(control);
        else this.#obey(control);
      }
    } catch (error) {
      if (error instanceof MillraceError && !error.retryable) this.#onRefused(error);
    }
  }
}
