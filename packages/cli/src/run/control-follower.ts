import { Buffer } from 'node:buffer';
import { constants } from 'node:os';
import { type Client, MillraceError } from '@millrace/client';
import { type Control, controlTopicOf, readControl } from '@millrace/protocol';
import type { Execution } from '@millrace/server/process';

/** What viewers may do to a run. */
export interface ControlRights {
  readonly stdin: boolean;
  readonly resize: boolean;
}

/** The names under which a run says what viewers may do. */
export function controlNames({ stdin, resize }: ControlRights): readonly string[] {
  return ['cancel', 'signal', ...(stdin ? ['stdin'] : []), ...(resize ? ['resize'] : [])];
}

/** Does to an execution what one event of its control topic says. What it does not know it leaves alone. */
export function obey(execution: Execution, { event, data }: Control, rights: ControlRights): void {
  switch (event) {
    case 'control.cancel':
      execution.cancel({ reason: 'cancelled', by: data.user_id, note: data.reason });
      return;
    case 'control.signal':
      if (Object.hasOwn(constants.signals, data.signal)) execution.signal(data.signal as NodeJS.Signals);
      return;
    case 'control.resize':
      if (rights.resize) execution.resize(data);
      return;
    case 'control.stdin':
      if (!rights.stdin) return;
      execution.write(Buffer.from(data.data, data.encoding ?? 'utf8'));
      if (data.end) execution.endInput();
  }
}

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
