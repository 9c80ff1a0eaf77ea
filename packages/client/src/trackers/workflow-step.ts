import { ProgressMeter } from './progress-meter.ts';
import { moveMeter } from './running-step.ts';
import { describeError } from './tracked-run.ts';
import type { WorkflowStep } from './tracker-types.ts';

const PERCENT = 100;

export type StepStatus = 'running' | 'completed' | 'failed' | 'skipped';

export interface StepReport {
  readonly number: number;
  readonly name: string;
  readonly status: StepStatus;
  /** Since the step began, once it has ended. */
  readonly seconds: number | undefined;
  readonly result: unknown;
  readonly meter: ProgressMeter;
}

export interface StepListener {
  /** Milliseconds from an arbitrary start. */
  now(): number;
  told(report: StepReport): void;
  moved(message: string | undefined): void;
}

/** One step of a workflow, from `running` to one of its ends. */
export class PublishedStep implements WorkflowStep {
  readonly number: number;
  readonly name: string;
  readonly meter: ProgressMeter = new ProgressMeter(PERCENT);
  readonly #listener: StepListener;
  readonly #startedMs: number;
  #ended = false;

  constructor(number: number, name: string, listener: StepListener) {
    this.number = number;
    this.name = name;
    this.#listener = listener;
    this.#startedMs = listener.now();
  }

  begin(): void {
    this.#tell('running', undefined, undefined);
  }

  update(percent: number, { message }: { readonly message?: string | undefined } = {}): void {
    if (this.#ended) return;
    moveMeter(this.meter, percent, undefined);
    this.#listener.moved(message);
  }

  complete(result?: unknown): void {
    this.#end('completed', result);
  }

  fail(error: unknown): void {
    this.#end('failed', { error: describeError(error) });
  }

  skip(): void {
    this.#end('skipped', undefined);
  }

  [Symbol.dispose](): void {
    this.complete();
  }

  async run<Result>(task: (step: WorkflowStep) => Result | Promise<Result>): Promise<Result> {
    try {
      const result = await task(this);
      this.complete();
      return result;
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  #end(status: StepStatus, result: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#tell(status, (this.#listener.now() - this.#startedMs) / 1000, result);
  }

  #tell(status: StepStatus, seconds: number | undefined, result: unknown): void {
    const { number, name, meter } = this;
    this.#listener.told({ number, name, status, seconds, result, meter });
  }
}
