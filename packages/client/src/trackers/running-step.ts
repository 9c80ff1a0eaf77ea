import { ProgressMeter } from './progress-meter.ts';
import type { ProgressUpdate, StepOptions, TaskStep } from './tracker-types.ts';

/** Without steps, progress counts in percent. */
const PERCENT = 100;

export interface StepParent {
  readonly meter: ProgressMeter;
  /** Something within has moved; `message` when there is another. */
  changed(news: boolean, message: string | undefined): void;
  ended(step: RunningStep): void;
}

/** One step of a task, at any depth, and the steps that run within it. */
export class RunningStep implements TaskStep, StepParent {
  readonly name: string;
  readonly meter: ProgressMeter;
  readonly #parent: StepParent;
  readonly #steps = new RunningSteps(this);
  #currentStep: string | number | undefined;
  #ended = false;

  constructor(parent: StepParent, { name, totalSteps, share = 1 }: StepOptions) {
    requireCount('totalSteps', totalSteps);
    if (!(share > 0)) throw new TypeError(`step "${name}": share must be more than 0, not ${share}`);
    this.name = name;
    this.meter = new ProgressMeter(totalSteps ?? PERCENT, share);
    this.#parent = parent;
  }

  /** Its name, and what it is at. */
  get path(): string {
    const within = this.#steps.path ?? this.#currentStep;
    return within === undefined ? this.name : `${this.name} › ${within}`;
  }

  update(done: number, { currentStep, message, totalSteps }: ProgressUpdate = {}): void {
    if (this.#ended) return;
    moveMeter(this.meter, done, totalSteps);
    const news = currentStep !== undefined && currentStep !== this.#currentStep;
    this.#currentStep = currentStep ?? this.#currentStep;
    this.changed(news, message);
  }

  step(step: string | StepOptions): TaskStep;
  step<Result>(
    step: string | StepOptions,
    run: (step: TaskStep) => Result | Promise<Result>,
  ): Promise<Result>;
  step<Result>(
    step: string | StepOptions,
    run?: (step: TaskStep) => Result | Promise<Result>,
  ): TaskStep | Promise<Result> {
    return this.#steps.begin(step, run);
  }

  complete(): void {
    this.end({ completed: true });
  }

  [Symbol.dispose](): void {
    this.complete();
  }

  end(how: { readonly completed: boolean }): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#parent.meter.end(this.meter, how);
    this.#parent.ended(this);
  }

  changed(news: boolean, message: string | undefined): void {
    if (!this.#ended) this.#parent.changed(news, message);
  }

  ended(step: RunningStep): void {
    this.#steps.remove(step);
    this.changed(true, undefined);
  }
}

/** The steps that run side by side in one task or step; the one that began last is what it is at. */
export class RunningSteps {
  readonly #parent: StepParent;
  readonly #running = new Set<RunningStep>();

  constructor(parent: StepParent) {
    this.#parent = parent;
  }

  get path(): string | undefined {
    return [...this.#running].at(-1)?.path;
  }

  begin<Result>(
    step: string | StepOptions,
    run?: (step: TaskStep) => Result | Promise<Result>,
  ): TaskStep | Promise<Result> {
    const running = new RunningStep(this.#parent, typeof step === 'string' ? { name: step } : step);
    this.#running.add(running);
    this.#parent.meter.begin(running.meter);
    this.#parent.changed(true, undefined);
    return run === undefined ? running : runStep(running, run);
  }

  remove(step: RunningStep): void {
    this.#running.delete(step);
  }
}

async function runStep<Result>(
  step: RunningStep,
  run: (step: TaskStep) => Result | Promise<Result>,
): Promise<Result> {
  try {
    const result = await run(step);
    step.complete();
    return result;
  } finally {
    // Of what threw counts what it had done.
    step.end({ completed: false });
  }
}

/** Throws a `TypeError` for what is no amount of work. */
export function moveMeter(meter: ProgressMeter, done: number, total: number | undefined): void {
  if (!(done >= 0 && done < Infinity)) throw new TypeError(`done must be a number from 0 on, not ${done}`);
  requireCount('the total', total);
  if (total !== undefined) meter.total = total;
  meter.done = done;
}

export function requireCount(what: string, count: number | undefined): void {
  if (count === undefined || (Number.isSafeInteger(count) && count > 0)) return;
  throw new TypeError(`${what} must be a whole number from 1 on, not ${count}`);
}
