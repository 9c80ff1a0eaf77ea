import type { LastWords, ProcessEnd } from '../platform.ts';
import { PublishedAgent } from './agent-reporter.ts';
import { PublicationWindow } from './publication-window.ts';
import { runTracked, type Trackable } from './run-tracked.ts';
import { PublishedScan } from './scan-tracker.ts';
import { PublishedTask } from './task-tracker.ts';
import type { TrackerHost } from './tracker-host.ts';
import type {
  AgentOptions,
  AgentReporter,
  ProgressOptions,
  ScanOptions,
  WorkflowOptions,
} from './tracker-types.ts';
import { PublishedWorkflow } from './workflow-tracker.ts';

/** All trackers of one client, and what becomes of them when the process ends. */
export class Trackers {
  readonly #host: TrackerHost;
  readonly #processEnd: ProcessEnd | undefined;
  readonly #unfinished = new Set<Trackable>();
  #stopWatching: (() => void) | undefined;

  private constructor(host: TrackerHost, processEnd: ProcessEnd | undefined) {
    const window = new PublicationWindow(host.platform);
    this.#host = { ...host, publish: (...publication) => window.add(() => host.publish(...publication)) };
    this.#processEnd = processEnd;
  }

  static async load(host: TrackerHost): Promise<Trackers> {
    return new Trackers(host, await host.platform.loadProcessEnd?.());
  }

  progress<Result>(
    options: ProgressOptions,
    run?: (task: PublishedTask) => Result | Promise<Result>,
  ): PublishedTask | Promise<Result> {
    return this.#track(new PublishedTask(this.#host, options), run);
  }

  scan<Result>(
    options: ScanOptions,
    run?: (scan: PublishedScan) => Result | Promise<Result>,
  ): PublishedScan | Promise<Result> {
    return this.#track(new PublishedScan(this.#host, options), run);
  }

  workflow<Result>(
    options: WorkflowOptions,
    run?: (workflow: PublishedWorkflow) => Result | Promise<Result>,
  ): PublishedWorkflow | Promise<Result> {
    return this.#track(new PublishedWorkflow(this.#host, options), run);
  }

  agent(options: AgentOptions): AgentReporter {
    return new PublishedAgent(this.#host, options);
  }

  #track<Tracker extends Trackable, Result>(
    tracker: Tracker,
    run: ((tracker: Tracker) => Result | Promise<Result>) | undefined,
  ): Tracker | Promise<Result> {
    this.#unfinished.add(tracker);
    void tracker.run.finished.then(() => this.#forget(tracker));
    this.#stopWatching ??= this.#processEnd?.watch({
      settle: (why) => this.#settle(why),
      lastWords: (why) => this.#lastWords(why),
    });
    return run === undefined ? tracker : runTracked(tracker, run);
  }

  #forget(tracker: Trackable): void {
    this.#unfinished.delete(tracker);
    if (this.#unfinished.size > 0) return;
    this.#stopWatching?.();
    this.#stopWatching = undefined;
  }

  #settle(why: string): Promise<unknown> {
    const all = [...this.#unfinished];
    for (const tracker of all) void tracker.fail(why);
    return Promise.all(all.map(({ run }) => run.finished));
  }

  #lastWords(why: string): LastWords {
    const events = [...this.#unfinished].flatMap((tracker) => tracker.lastEvents(why));
    return { ...this.#host.address(), events };
  }
}
