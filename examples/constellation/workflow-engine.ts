import type { MillraceEvents } from '@millrace/catalog';
import { type Random, rounded } from './random.ts';
import type { Publication, Source } from './source.ts';

type WorkflowEvent = MillraceEvents['workflow_event'];

const WORKFLOWS = {
  'Nightly import': ['Fetch', 'Validate', 'Transform', 'Load', 'Verify'],
  'Portal alignment': ['Measure', 'Compare', 'Adjust', 'Confirm'],
  'Agent onboarding': ['Provision', 'Train', 'Evaluate', 'Deploy'],
  'Harmony report': ['Collect', 'Aggregate', 'Render', 'Publish'],
  'Backup and restore drill': ['Snapshot', 'Copy', 'Restore', 'Compare', 'Clean up', 'Report'],
} as const;

const FAILURES = ['the source did not answer in time', 'two records exclude each other', 'the disk is full'];

/** Runs at a time, at most. */
const MAX_RUNS = 8;
/** How often something happens in some run: 1 to 10 times a second, going up and down in waves. */
const PACE = { slowest: 1.5, fastest: 8.5, waveMs: 45_000 } as const;
const FAILURE_SHARE = 0.04;

interface Run {
  readonly id: string;
  readonly name: string;
  readonly steps: readonly string[];
  readonly startedMs: number;
  /** From 1. */
  step: number;
  stepStartedMs: number;
  /** The step is running, and not one that ended and is followed by the next. */
  running: boolean;
  records: number;
}

/** Runs several workflows side by side: one after the other goes a step further, and sometimes one fails. */
export class WorkflowEngine implements Source {
  readonly #random: Random;
  readonly #run: string;
  readonly #runs: Run[] = [];
  #started = 0;
  #intervalMs = 0;

  /** `run` tells this engine's workflows from those of an earlier one. */
  constructor(run: string, random: Random) {
    this.#run = run;
    this.#random = random;
    this.#intervalMs = 1000 / PACE.slowest;
  }

  get intervalMs(): number {
    return this.#intervalMs;
  }

  speak(nowMs: number): readonly Publication[] {
    this.#intervalMs = 1000 / paceAt(nowMs);
    const data = this.#goOn(nowMs);
    return [
      {
        topic: 'workflows.execution',
        event: 'workflow_event',
        data,
        key: data.workflow_id,
        source: 'workflow-engine',
      },
    ];
  }

  #goOn(nowMs: number): WorkflowEvent {
    const fewRuns = this.#runs.length < 2;
    if (fewRuns || (this.#runs.length < MAX_RUNS && this.#random.chance(0.12))) return this.#start(nowMs);
    const run = this.#random.pick(this.#runs);
    if (!run.running) return begin(run, nowMs);
    if (this.#random.chance(FAILURE_SHARE)) return this.#fail(run, nowMs);
    return run.step === run.steps.length ? this.#complete(run, nowMs) : this.#completeStep(run, nowMs);
  }

  #start(nowMs: number): WorkflowEvent {
    const name = this.#random.pick(Object.keys(WORKFLOWS) as (keyof typeof WORKFLOWS)[]);
    const run: Run = {
      id: `workflow-${this.#run}-${++this.#started}`,
      name,
      steps: WORKFLOWS[name],
      startedMs: nowMs,
      step: 1,
      stepStartedMs: nowMs,
      running: true,
      records: 0,
    };
    this.#runs.push(run);
    return described(run, 'started', { status: 'running', sinceMs: nowMs, nowMs, result: null });
  }

  #completeStep(run: Run, nowMs: number): WorkflowEvent {
    const records = this.#random.whole(50, 5000);
    run.records += records;
    run.running = false;
    const sinceMs = run.stepStartedMs;
    return described(run, 'step_completed', { status: 'running', sinceMs, nowMs, result: { records } });
  }

  #complete(run: Run, nowMs: number): WorkflowEvent {
    this.#forget(run);
    const result = { records: run.records, steps: run.steps.length };
    return described(run, 'completed', { status: 'completed', sinceMs: run.startedMs, nowMs, result });
  }

  #fail(run: Run, nowMs: number): WorkflowEvent {
    this.#forget(run);
    const result = { error: this.#random.pick(FAILURES) };
    return described(run, 'failed', { status: 'failed', sinceMs: run.startedMs, nowMs, result });
  }

  #forget(run: Run): void {
    this.#runs.splice(this.#runs.indexOf(run), 1);
  }
}

/** Events a second. */
function paceAt(nowMs: number): number {
  const wave = (1 + Math.sin((2 * Math.PI * nowMs) / PACE.waveMs)) / 2;
  return PACE.slowest + (PACE.fastest - PACE.slowest) * wave;
}

/** The step before it has ended. */
function begin(run: Run, nowMs: number): WorkflowEvent {
  run.step++;
  run.stepStartedMs = nowMs;
  run.running = true;
  return described(run, 'step_started', { status: 'running', sinceMs: nowMs, nowMs, result: null });
}

function described(
  { id, name, steps, step }: Run,
  event_type: string,
  {
    status,
    sinceMs,
    nowMs,
    result,
  }: { status: string; sinceMs: number; nowMs: number; result: object | null },
): WorkflowEvent {
  return {
    workflow_id: id,
    workflow_name: name,
    event_type,
    step_number: step,
    step_name: steps[step - 1] ?? '',
    status,
    duration_seconds: rounded((nowMs - sinceMs) / 1000, 3),
    result,
  };
}
