import type { MillraceEvents } from '@millrace/catalog';
import type { LastEvent } from '../platform.ts';
import { ProgressReport } from './progress-report.ts';
import { leaveScope } from './run-tracked.ts';
import { requireCount } from './running-step.ts';
import { describeError, TrackedRun } from './tracked-run.ts';
import type { TrackerHost } from './tracker-host.ts';
import type { WorkflowOptions, WorkflowStep, WorkflowTracker } from './tracker-types.ts';
import { WorkflowBoard } from './workflow-board.ts';
import { PublishedStep, type StepReport } from './workflow-step.ts';

/** Publishes a workflow: each step as it begins and ends, and between them `workflow.progress` as often as is useful. */
export class PublishedWorkflow implements WorkflowTracker {
  readonly run: TrackedRun;
  readonly report: ProgressReport;
  readonly #name: string;
  readonly #total: number | undefined;
  readonly #board: WorkflowBoard | undefined;
  #steps = 0;
  #message: string | undefined;

  constructor(host: TrackerHost, { name, steps, id, board, updates }: WorkflowOptions) {
    const total = typeof steps === 'object' ? steps.length : steps;
    requireCount('steps', total);
    this.#name = name;
    this.#total = total;
    this.run = new TrackedRun({ host, kind: 'workflow', id, failure: (error) => this.#failure(error) });
    // Without a number of steps there is nothing to count: it is one, and done at the end.
    this.report = new ProgressReport({
      platform: host.platform,
      total: total ?? 1,
      updates,
      send: () => this.#send(),
    });
    this.#board = board === undefined ? undefined : new WorkflowBoard(host, { name, id: this.run.id, board });
    this.#begin();
  }

  get id(): string {
    return this.run.id;
  }

  get topic(): string {
    return this.run.topic;
  }

  get progress(): number {
    return this.report.progress;
  }

  get etaSeconds(): number | undefined {
    return this.report.etaSeconds;
  }

  step(name: string): WorkflowStep;
  step<Result>(name: string, run: (step: WorkflowStep) => Result | Promise<Result>): Promise<Result>;
  step<Result>(
    name: string,
    run?: (step: WorkflowStep) => Result | Promise<Result>,
  ): WorkflowStep | Promise<Result> {
    this.#steps += 1;
    const step = new PublishedStep(this.#steps, name, {
      now: () => this.run.durationMs,
      told: (report) => this.#stepTold(report),
      moved: (message) => this.#stepMoved(message),
    });
    if (this.#total !== undefined) this.report.meter.begin(step.meter);
    step.begin();
    return run === undefined ? step : step.run(run);
  }

  complete(result?: unknown): Promise<void> {
    if (!this.run.ended) {
      this.report.meter.done = this.report.meter.total;
      this.report.changed();
      this.report.end();
      this.#board?.ended({ status: 'completed', seconds: this.#seconds, result });
    }
    const data: MillraceEvents['workflow.completed'] = {
      ...this.#names,
      duration_seconds: this.#seconds,
      ...(result !== undefined && { result }),
    };
    return this.run.end({ event: 'workflow.completed', data });
  }

  fail(error: unknown): Promise<void> {
    if (!this.run.ended) {
      this.report.end();
      this.#board?.ended({
        status: 'failed',
        seconds: this.#seconds,
        result: { error: describeError(error) },
      });
    }
    return this.run.fail(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return leaveScope(this);
  }

  lastEvents(why: string): readonly LastEvent[] {
    const onBoard = this.#board?.lastEvent(why, this.#seconds);
    return [this.run.lastEvent(why), ...(onBoard === undefined ? [] : [onBoard])];
  }

  #begin(): void {
    const started: MillraceEvents['workflow.started'] = {
      ...this.#names,
      ...(this.#total !== undefined && { total_steps: this.#total }),
    };
    this.run.tell('workflow.started', started).catch(() => {});
    this.#board?.started();
  }

  get #names(): {
    readonly workflow_id: string;
    readonly workflow_name: string;
    readonly producedAt: string;
  } {
    return { workflow_id: this.id, workflow_name: this.#name, producedAt: this.run.producedAt };
  }

  get #seconds(): number {
    return this.run.durationMs / 1000;
  }

  #stepTold({ number, name, status, seconds, result, meter }: StepReport): void {
    if (this.run.ended) return;
    const data: MillraceEvents['workflow.step'] = {
      ...this.#names,
      step_number: number,
      step_name: name,
      status,
      ...(seconds !== undefined && { duration_seconds: seconds }),
      ...(result !== undefined && { result }),
    };
    this.run.tell('workflow.step', data).catch(() => {});
    this.#board?.step({ number, name, status, seconds: this.#seconds, result });
    if (status === 'running') return;
    this.report.meter.end(meter, { completed: status !== 'failed' });
    this.report.changed(true);
  }

  #stepMoved(message: string | undefined): void {
    if (this.run.ended) return;
    const news = message !== undefined && message !== this.#message;
    this.#message = message ?? this.#message;
    this.report.changed(news);
  }

  #send(): Promise<unknown> {
    const { progress, etaSeconds } = this.report;
    const data: MillraceEvents['workflow.progress'] = {
      ...this.#names,
      progress,
      ...(this.#message !== undefined && { message: this.#message }),
      ...(etaSeconds !== undefined && { eta_seconds: etaSeconds }),
    };
    return this.run.tell('workflow.progress', data).catch(() => {});
  }

  #failure(error: string): { event: string; data: MillraceEvents['workflow.failed'] } {
    const at = this.#steps === 0 ? {} : { step_number: this.#steps };
    const data = { ...this.#names, error, ...at, duration_seconds: this.#seconds };
    return { event: 'workflow.failed', data };
  }
}
