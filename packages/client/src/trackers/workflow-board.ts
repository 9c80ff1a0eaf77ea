import type { MillraceEvents } from '@millrace/catalog';
import type { LastEvent } from '../platform.ts';
import { reported, type TrackerHost } from './tracker-host.ts';
import type { StepStatus } from './workflow-step.ts';

const DEFAULT_BOARD = 'workflows.execution';

export interface WorkflowBoardOptions {
  readonly id: string;
  readonly name: string;
  readonly board: string | true;
}

interface BoardStep {
  readonly number: number;
  readonly name: string;
}

type FlatEvent = MillraceEvents['workflow_event'];

/** One workflow on a board that many share, in the flat form: each event says how all of it stands. */
export class WorkflowBoard {
  readonly #host: TrackerHost;
  readonly #options: WorkflowBoardOptions;
  readonly #topic: string;
  readonly #endKey: string;
  /** The step that was heard of last. */
  #step: BoardStep = { number: 0, name: '' };
  #ending: FlatEvent | undefined;

  constructor(host: TrackerHost, options: WorkflowBoardOptions) {
    this.#host = host;
    this.#options = options;
    this.#topic = options.board === true ? DEFAULT_BOARD : options.board;
    this.#endKey = `${host.platform.uniqueId()}-end`;
  }

  started(): void {
    this.#publish(this.#event('started', 'running', 0, undefined));
  }

  /** `seconds` since the workflow began. */
  step(step: BoardStep & { status: StepStatus; seconds: number; result: unknown }): void {
    this.#step = { number: step.number, name: step.name };
    const type = step.status === 'running' ? 'step_started' : `step_${step.status}`;
    this.#publish(this.#event(type, 'running', step.seconds, step.result));
  }

  ended({ status, seconds, result }: { status: string; seconds: number; result: unknown }): void {
    this.#ending = this.#event(status, status, seconds, result);
    this.#publish(this.#ending, this.#endKey);
  }

  /** What stands here when the process ends now. */
  lastEvent(why: string, seconds: number): LastEvent {
    const data = this.#ending ?? this.#event('failed', 'failed', seconds, { error: why });
    const { id: key } = this.#options;
    return { topic: this.#topic, event: 'workflow_event', data, key, idempotencyKey: this.#endKey };
  }

  #event(event_type: string, status: string, duration_seconds: number, result: unknown): FlatEvent {
    const { id: workflow_id, name: workflow_name } = this.#options;
    const { number: step_number, name: step_name } = this.#step;
    return {
      workflow_id,
      workflow_name,
      event_type,
      step_number,
      step_name,
      status,
      duration_seconds,
      ...(result !== undefined && { result }),
    };
  }

  #publish(data: FlatEvent, idempotencyKey?: string): void {
    const options = { key: this.#options.id, idempotencyKey };
    reported(this.#host, this.#host.publish(this.#topic, 'workflow_event', data, options)).catch(() => {});
  }
}
