import type { MillraceEvent } from '@millrace/protocol';
import type { View } from '../view.ts';
import { type Fields, fieldsOf, numberOf, numbers, textOf, texts } from './event-data.ts';

export interface WorkflowStepState {
  readonly step_number: number;
  readonly step_name: string;
  /** `running`, `completed`, `failed`, `skipped`. */
  readonly status: string;
  readonly duration_seconds?: number;
}

/** How one run of a workflow stands. */
export interface WorkflowRun {
  readonly workflow_id: string;
  readonly workflow_name?: string;
  /** `running`, `completed`, `failed`, or what the publisher calls it. */
  readonly status: string;
  /** From 0 to 100, where the publisher says so. */
  readonly progress?: number;
  readonly message?: string;
  readonly total_steps?: number;
  /** The newest, in the order in which they began. */
  readonly steps: readonly WorkflowStepState[];
  readonly error?: string;
  readonly duration_seconds?: number;
  /** ISO 8601. */
  readonly started_at: string;
  readonly updated_at: string;
}

/** Runs of workflows in the order in which they began. */
export interface Workflows {
  readonly workflows: readonly WorkflowRun[];
}

/** Bounds which together keep the state below a megabyte. */
const MAX_WORKFLOWS = 300;
const MAX_STEPS = 20;

/** A board of workflows; of the topic of one run, a board with that run alone. Those that ended first are forgotten first. */
export const workflowsView: View<Workflows> = {
  name: 'workflows',
  version: 1,
  holdsLog: true,
  initial: () => ({ workflows: [] }),
  fold: (state, event) => {
    const data = fieldsOf(event);
    const workflow_id = textOf(data.workflow_id);
    // The state is ours.
    if (workflow_id !== undefined) renew(state.workflows as WorkflowRun[], workflow_id, event, data);
    return state;
  },
};

function renew(runs: WorkflowRun[], workflow_id: string, event: MillraceEvent, data: Fields): void {
  const index = runs.findLastIndex((run) => run.workflow_id === workflow_id);
  const { timestamp } = event;
  const before: WorkflowRun = runs[index] ?? {
    workflow_id,
    status: 'running',
    steps: [],
    started_at: timestamp,
    updated_at: timestamp,
  };
  const names = texts(data, 'workflow_name');
  const run = { ...before, ...changeOf(before, event, data), ...names, updated_at: timestamp };
  if (index !== -1) runs[index] = run;
  else {
    if (runs.length >= MAX_WORKFLOWS) runs.splice(Math.max(0, runs.findIndex(hasEnded)), 1);
    runs.push(run);
  }
}

function hasEnded({ status }: WorkflowRun): boolean {
  return status !== 'running';
}

function changeOf(run: WorkflowRun, { event }: MillraceEvent, data: Fields): Partial<WorkflowRun> {
  switch (event) {
    case 'workflow.started':
      return { status: 'running', ...numbers(data, 'total_steps') };
    case 'workflow.step':
      return { steps: stepped(run.steps, data, textOf(data.status) ?? 'running') };
    case 'workflow.progress':
      return { ...numbers(data, 'progress'), ...texts(data, 'message') };
    case 'workflow.completed':
      return { status: 'completed', progress: 100, ...numbers(data, 'duration_seconds') };
    case 'workflow.failed':
      return { status: 'failed', ...texts(data, 'error'), ...numbers(data, 'duration_seconds') };
    case 'workflow_event':
      return flatChange(run, data);
    default:
      return {};
  }
}

/** In the flat form `status` is the workflow's; what became of the step is in `event_type`. */
function flatChange(run: WorkflowRun, data: Fields): Partial<WorkflowRun> {
  const { event_type = '', status = run.status } = texts(data, 'event_type', 'status');
  const stepStatus = STEP_STATUS[event_type];
  const common = { status, ...numbers(data, 'duration_seconds') };
  return stepStatus === undefined ? common : { ...common, steps: stepped(run.steps, data, stepStatus) };
}

const STEP_STATUS: Readonly<Record<string, string>> = {
  step_started: 'running',
  step_completed: 'completed',
  step_failed: 'failed',
  step_skipped: 'skipped',
};

function stepped(
  steps: readonly WorkflowStepState[],
  data: Fields,
  status: string,
): readonly WorkflowStepState[] {
  const step_number = numberOf(data.step_number) ?? 0;
  const step: WorkflowStepState = {
    step_number,
    step_name: textOf(data.step_name) ?? '',
    status,
    // While it runs, the flat form gives the workflow's.
    ...(status !== 'running' && numbers(data, 'duration_seconds')),
  };
  const known = steps.some((other) => other.step_number === step_number);
  if (known) return steps.map((other) => (other.step_number === step_number ? step : other));
  return [...steps.slice(1 - MAX_STEPS), step];
}
