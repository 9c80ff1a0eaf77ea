import { controlTopicOf, type PublishResult, readControl } from '@millrace/protocol';
import type { Engine, Following } from '../engine/engine.ts';
import type { TerminalSize } from './child.ts';
import type { Ending, Execution } from './execution.ts';
import type { LogRecording } from './log-recording.ts';
import { type ControlRights, obey } from './obey.ts';
import type { Outcome } from './outcome.ts';

/** Who runs what. */
export interface ProcessFacts {
  readonly id: string;
  readonly entity: string;
  readonly topic: string;
  /** The name of the allowed command. */
  readonly command: string;
  readonly args: readonly string[];
  readonly pty: TerminalSize | undefined;
  readonly startedBy: string;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
  readonly rights: ControlRights;
}

/** One process of this server: its execution, its recording, and its ear on the control topic. */
export class RunningProcess {
  readonly facts: ProcessFacts;
  readonly #execution: Execution;
  readonly #recording: LogRecording;
  #following: Following | undefined;
  #outcome: Outcome | undefined;

  constructor(facts: ProcessFacts, execution: Execution, recording: LogRecording) {
    this.facts = facts;
    this.#execution = execution;
    this.#recording = recording;
    void execution.finished.then((outcome) => {
      this.#outcome = outcome;
      this.#following?.stop();
    });
  }

  get pid(): number | undefined {
    return this.#execution.pid;
  }

  /** `undefined` while it runs. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /** The place of its first event. */
  get first(): Promise<PublishResult> {
    return this.#recording.first;
  }

  /** Everything is stored, as far as it can be. */
  async finished(): Promise<void> {
    await this.#execution.finished;
    await this.#recording.settled();
  }

  /** Begins to do what its control topic says. */
  async follow(engine: Engine): Promise<void> {
    const { entity, id, rights } = this.facts;
    const following = await engine.follow(entity, controlTopicOf(id), {
      onEvents: (events) => {
        for (const { event, data } of events) {
          const control = readControl({ event, data: JSON.parse(data) });
          if (control !== undefined) obey(this.#execution, control, rights);
        }
      },
      // Live topics keep more than anybody can type while their server is busy.
      onGap: () => {},
    });
    if (this.#outcome === undefined) this.#following = following;
    else following.stop();
  }

  cancel(ending: Ending, graceMs?: number): void {
    this.#execution.cancel(ending, graceMs);
  }
}
