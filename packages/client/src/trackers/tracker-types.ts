import type { PublishResult } from '@millrace/protocol';

/** How often readers are told of progress. The newest state is always told, and the last one at once. */
export interface UpdateRate {
  /** Updates a second at most. Default 10. */
  readonly maxPerSecond?: number | undefined;
  /** Progress of less than this many percent waits up to a second for more. Default 1. */
  readonly minPercent?: number | undefined;
}

interface TrackerOptions {
  /**
   * Names the topic: `task.<id>`, `scan.<id>`, `workflow.<id>`. One segment (`A-Z a-z 0-9 _ - :`), and another for every run,
   * since a topic is sealed at the end. Default: a random one.
   */
  readonly id?: string | undefined;
  readonly updates?: UpdateRate | undefined;
}

export interface ProgressOptions extends TrackerOptions {
  /** What people call it. */
  readonly name: string;
  /** How many steps there are. Without it `update` counts in percent. */
  readonly totalSteps?: number | undefined;
  /** The task that it is a part of, by its id. */
  readonly parentId?: string | undefined;
}

export interface ProgressUpdate {
  /** The step that is under way: its name, or its number. */
  readonly currentStep?: string | number | undefined;
  /** What is being done, for people. Stays until it is replaced. */
  readonly message?: string | undefined;
  /** There turned out to be more steps, or fewer. */
  readonly totalSteps?: number | undefined;
}

export interface StepOptions {
  readonly name: string;
  /** How many steps it has in turn. Without it `update` counts in percent. */
  readonly totalSteps?: number | undefined;
  /** How many of its parent's steps (of a parent without steps: how many percent) it is. Default 1. */
  readonly share?: number | undefined;
}

/**
 * A part of a task, whose progress counts into the task's by its share. Leaving the scope of a `using` ends it: what
 * failed is for the task to say.
 */
export interface TaskStep extends Disposable {
  readonly name: string;
  /** `done` of its own steps are done. */
  update(done: number, update?: ProgressUpdate): void;
  /** Begins a step within it; with `run`, ends it when that is done. */
  step(step: string | StepOptions): TaskStep;
  step<Result>(
    step: string | StepOptions,
    run: (step: TaskStep) => Result | Promise<Result>,
  ): Promise<Result>;
  /** All of it is done. Idempotent. */
  complete(): void;
}

/** What all trackers can do. */
export interface Tracker extends AsyncDisposable {
  readonly id: string;
  /** Where its events are. */
  readonly topic: string;
  /**
   * Leaving the scope of an `await using`. A tracker that is not at its end by then is completed when all of its steps are
   * done, and has failed otherwise: JavaScript does not tell a disposer whether the scope was left by an exception. The
   * form with a function (`client.progress(options, run)`) knows, and tells the error. Waits up to five seconds until the
   * end is stored, and does not throw.
   */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A task that tells how it comes along. */
export interface TaskTracker extends Tracker, Omit<TaskStep, 'complete' | typeof Symbol.dispose> {
  /** From 0 to 100. */
  readonly progress: number;
  /** Time left, as far as the smoothed rate tells. */
  readonly etaSeconds: number | undefined;
  /**
   * `done` of its steps are done, and with parts of steps that run, that is the progress. It is told at once or soon, and
   * never waits for the server.
   */
  update(done: number, update?: ProgressUpdate): void;
  /** Ends it. Resolves when that is stored, rejects when it is refused. What ends a tracker first counts. */
  complete(end?: { readonly message?: string; readonly result?: unknown }): Promise<void>;
  /** Ends it without success, with the error's message. */
  fail(error: unknown): Promise<void>;
}

export interface ScanOptions extends TrackerOptions {
  /** What is scanned. */
  readonly target: string;
  /** How many things there are to look at. Without it `update` counts in percent. */
  readonly total?: number | undefined;
}

export interface ScanFinding {
  readonly type: string;
  /** `info`, `low`, `medium`, `high` or `critical`. */
  readonly severity: string;
  readonly url: string;
  readonly message?: string | undefined;
  readonly [more: string]: unknown;
}

/** A scan that tells what it finds. */
export interface ScanTracker extends Tracker {
  readonly progress: number;
  readonly etaSeconds: number | undefined;
  /** How many there were so far. */
  readonly findings: number;
  /** `done` things have been looked at. */
  update(
    done: number,
    update?: { readonly message?: string | undefined; readonly total?: number | undefined },
  ): void;
  /** Every one is told, none is merged. Resolves when it is stored; nobody has to wait for that. */
  finding(finding: ScanFinding): Promise<PublishResult>;
  complete(): Promise<void>;
  /** It could not finish: `scan.completed` with an `error`. */
  fail(error: unknown): Promise<void>;
}

export interface WorkflowOptions extends TrackerOptions {
  readonly name: string;
  /** The steps, or how many there are: the progress counts them. */
  readonly steps?: readonly string[] | number | undefined;
  /**
   * Also tells everything as `workflow_event` on this topic, where many workflows are seen together; `true` means
   * `workflows.execution`. Default: no board.
   */
  readonly board?: string | true | undefined;
}

/** A step of a workflow. Leaving the scope of a `using` completes it. */
export interface WorkflowStep extends Disposable {
  /** From 1, in the order in which steps began. */
  readonly number: number;
  readonly name: string;
  /** How far it has come, for the workflow's progress. */
  update(percent: number, update?: { readonly message?: string | undefined }): void;
  complete(result?: unknown): void;
  fail(error: unknown): void;
  skip(): void;
}

/** A workflow that tells its steps. */
export interface WorkflowTracker extends Tracker {
  readonly progress: number;
  readonly etaSeconds: number | undefined;
  step(name: string): WorkflowStep;
  /** Fails the step, and passes the error on, when `run` throws. */
  step<Result>(name: string, run: (step: WorkflowStep) => Result | Promise<Result>): Promise<Result>;
  complete(result?: unknown): Promise<void>;
  fail(error: unknown): Promise<void>;
}

export interface AgentOptions {
  readonly agentId: string;
  readonly agentName: string;
  /** Default `agents.status`, the board of all agents. With a token of the role `agent`: `agent.<own id>`. */
  readonly topic?: string | undefined;
}

/** What is said stays until it is said anew. */
export interface AgentStatus {
  readonly status?: string | undefined;
  readonly currentTask?: AgentTask | null | undefined;
  readonly utilizationPercent?: number | undefined;
  /** Failed tasks as a share of all, 0–1. */
  readonly errorRate?: number | undefined;
  readonly tasksCompletedToday?: number | undefined;
  readonly consciousnessLevel?: number | undefined;
}

export interface AgentTask {
  readonly taskId: string;
  readonly taskType: string;
  readonly progressPercent: number;
  readonly estimatedCompletionSeconds: number;
}

/** Tells how an agent fares and what it does. */
export interface AgentReporter {
  /** As often as you like: while the server is away, or slow, only the newest waits. A new `status` is an event of its own, too. */
  status(status: string | AgentStatus): void;
  /** Resolves when it is stored; nobody has to wait for that. */
  action(action: string, result?: unknown): Promise<PublishResult>;
}
