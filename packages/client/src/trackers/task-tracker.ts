import type { MillraceEvents } from '@millrace/catalog';
import type { LastEvent } from '../platform.ts';
import { ProgressReport } from './progress-report.ts';
import { leaveScope } from './run-tracked.ts';
import { moveMeter, type RunningStep, RunningSteps, requireCount, type StepParent } from './running-step.ts';
import { TrackedRun } from './tracked-run.ts';
import type { TrackerHost } from './tracker-host.ts';
import type { ProgressOptions, ProgressUpdate, StepOptions, TaskStep, TaskTracker } from './tracker-types.ts';

/** Publishes a task as it comes along: `task.started`, `task.progress` as often as is useful, and how it ended. */
export class PublishedTask implements TaskTracker, StepParent {
  readonly name: string;
  readonly run: TrackedRun;
  readonly report: ProgressReport;
  readonly #steps = new RunningSteps(this);
  #counted: boolean;
  #currentStep: string | number | undefined;
  #message = '';

  constructor(host: TrackerHost, { name, totalSteps, id, parentId, updates }: ProgressOptions) {
    requireCount('totalSteps', totalSteps);
    this.name = name;
    this.#counted = totalSteps !== undefined;
    this.run = new TrackedRun({ host, kind: 'task', id, failure: (error) => this.#failure(error) });
    const { platform } = host;
    this.report = new ProgressReport({ platform, total: totalSteps, updates, send: () => this.#send() });
    const started: MillraceEvents['task.started'] = {
      ...this.#names,
      ...(parentId !== undefined && { parent_id: parentId }),
      ...(totalSteps !== undefined && { total_steps: totalSteps }),
    };
    this.run.tell('task.started', started).catch(() => {});
  }

  get id(): string {
    return this.run.id;
  }

  get topic(): string {
    return this.run.topic;
  }

  get meter(): ProgressReport['meter'] {
    return this.report.meter;
  }

  get progress(): number {
    return this.report.progress;
  }

  get etaSeconds(): number | undefined {
    return this.report.etaSeconds;
  }

  update(done: number, { currentStep, message, totalSteps }: ProgressUpdate = {}): void {
    if (this.run.ended) return;
    moveMeter(this.meter, done, totalSteps);
    if (totalSteps !== undefined) this.#counted = true;
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

  complete(end: { readonly message?: string; readonly result?: unknown } = {}): Promise<void> {
    if (!this.run.ended) {
      this.meter.done = this.meter.total;
      this.changed(false, end.message);
      this.report.end();
    }
    const data: MillraceEvents['task.completed'] = {
      ...this.#names,
      ...end,
      duration_ms: this.run.durationMs,
    };
    return this.run.end({ event: 'task.completed', data });
  }

  fail(error: unknown): Promise<void> {
    if (!this.run.ended) this.report.end();
    return this.run.fail(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return leaveScope(this);
  }

  lastEvents(why: string): readonly LastEvent[] {
    return [this.run.lastEvent(why)];
  }

  changed(news: boolean, message: string | undefined): void {
    if (this.run.ended) return;
    const otherMessage = message !== undefined && message !== this.#message;
    if (otherMessage) this.#message = message;
    this.report.changed(news || otherMessage);
  }

  ended(step: RunningStep): void {
    this.#steps.remove(step);
    this.changed(true, undefined);
  }

  get #names(): { readonly task_id: string; readonly task_name: string; readonly producedAt: string } {
    return { task_id: this.id, task_name: this.name, producedAt: this.run.producedAt };
  }

  get #stepNow(): string | number | undefined {
    const counted = this.#counted ? Math.floor(this.meter.done) : undefined;
    return this.#steps.path ?? this.#currentStep ?? counted;
  }

  #send(): Promise<unknown> {
    const { etaSeconds, progress } = this.report;
    const step = this.#stepNow;
    const data: MillraceEvents['task.progress'] = {
      ...this.#names,
      progress,
      message: this.#message,
      ...(step !== undefined && { current_step: step }),
      ...(this.#counted && { total_steps: this.meter.total }),
      ...(etaSeconds !== undefined && { eta_seconds: etaSeconds }),
    };
    return this.run.tell('task.progress', data).catch(() => {});
  }

  #failure(error: string): { event: string; data: MillraceEvents['task.failed'] } {
    const { progress } = this.report;
    const data = { ...this.#names, error, progress, duration_ms: this.run.durationMs };
    return { event: 'task.failed', data };
  }
}
