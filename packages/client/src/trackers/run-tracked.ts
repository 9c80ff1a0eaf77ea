import type { LastEvent } from '../platform.ts';
import type { ProgressReport } from './progress-report.ts';
import type { TrackedRun } from './tracked-run.ts';

/** A tracker, seen by whoever looks after how it ends. */
export interface Trackable {
  readonly run: TrackedRun;
  readonly report: ProgressReport;
  complete(): Promise<void>;
  fail(error: unknown): Promise<void>;
  /** What there is to say when the process ends now. */
  lastEvents(why: string): readonly LastEvent[];
}

/** Runs a function and ends its tracker as it ends, unless it did so itself. Neither waits for a server that is away. */
export async function runTracked<Tracker extends Trackable, Result>(
  tracker: Tracker,
  run: (tracker: Tracker) => Result | Promise<Result>,
): Promise<Result> {
  try {
    const result = await run(tracker);
    void tracker.complete();
    return result;
  } catch (error) {
    void tracker.fail(error);
    throw error;
  } finally {
    await tracker.run.leave();
  }
}

/** What leaving the scope of an `await using` means. */
export async function leaveScope(tracker: Trackable): Promise<void> {
  const { meter, progress } = tracker.report;
  const why = `its scope was left at ${progress} %, without complete()`;
  void (meter.finished ? tracker.complete() : tracker.fail(why));
  await tracker.run.leave();
}
