import type { ConsumerRun, ConsumerState } from '../engine/engine.ts';
import type { DeliveryRules } from './delivery-rules.ts';

/** How far a consumer has come in a topic. Everything here is pure: a place in, the next place out. */
export type Progress = Omit<ConsumerState, 'version'>;

/** A run with its beginning: the events after `after`, up to `upTo`. */
export interface Stretch extends ConsumerRun {
  readonly after: number;
}

export const NOT_BEGUN: Progress = { acked: 0, sent: 0, runs: [] };

/** Runs that are kept; beyond that neighbours become one, by fewer deliveries and the later time. */
const MAX_RUNS = 16;

/** What was sent and is not done with. */
export function stretchesOf({ acked, runs }: Progress): Stretch[] {
  let after = acked;
  return runs.flatMap((run) => {
    if (run.upTo <= acked) return [];
    const stretch = { ...run, after };
    after = run.upTo;
    return [stretch];
  });
}

/** Events up to `upTo` were sent for the first time; they are due again at `nextAt`. */
export function noteSent(progress: Progress, upTo: number, nextAt: number): Progress {
  if (upTo <= progress.sent) return progress;
  return withRuns({ ...progress, sent: upTo }, [...progress.runs, { upTo, attempt: 1, nextAt }]);
}

/** Events up to `upTo` are done with: acknowledged, buried, or removed by retention. Never moves back. */
export function noteDone(progress: Progress, upTo: number): Progress {
  if (upTo <= progress.acked) return progress;
  const unnoted = upTo > progress.sent ? [{ upTo, attempt: 1, nextAt: 0 }] : [];
  return withRuns({ ...progress, acked: upTo, sent: Math.max(progress.sent, upTo) }, [
    ...progress.runs.flatMap((run, i) => splitDone(run, progress.runs[i - 1]?.upTo ?? 0, upTo)),
    ...unnoted,
  ]);
}

/** What was due at `dueAt`, up to `upTo`, was sent once more at `sentAt`. */
export function noteSentAgain(
  progress: Progress,
  upTo: number,
  { dueAt, sentAt }: { readonly dueAt: number; readonly sentAt: number },
  rules: DeliveryRules,
): Progress {
  const stretches = stretchesOf(progress);
  if (!stretches.some((stretch) => rules.isDue(stretch, dueAt) && stretch.after < upTo)) return progress;
  const runs = stretches.flatMap((stretch): ConsumerRun[] => {
    const { after, attempt, nextAt } = stretch;
    const run = { upTo: stretch.upTo, attempt, nextAt };
    if (!rules.isDue(stretch, dueAt) || after >= upTo) return [run];
    const sentAgain = { attempt: attempt + 1, nextAt: sentAt + rules.waitAfter(attempt + 1) };
    if (stretch.upTo <= upTo) return [{ ...sentAgain, upTo: stretch.upTo }];
    return [{ ...sentAgain, upTo }, run];
  });
  return withRuns(progress, [...progress.runs.filter((run) => run.upTo <= progress.acked), ...runs]);
}

/** How often the event at `offset` was sent, and when it is due again; `undefined` when it was not. */
export function runAt(progress: Progress, offset: number): ConsumerRun | undefined {
  return progress.runs.find((run) => run.upTo >= offset);
}

/** The part of a run that is done with, which is due no more, and the rest. */
function splitDone(run: ConsumerRun, after: number, done: number): ConsumerRun[] {
  if (after >= done) return [run];
  const part = { ...run, upTo: Math.min(run.upTo, done), nextAt: 0 };
  return run.upTo > done ? [part, run] : [part];
}

/** Few runs: equal neighbours are one; what is done with longest is forgotten first, then the closest become one. */
function withRuns({ acked, sent }: Progress, runs: readonly ConsumerRun[]): Progress {
  const tidied: ConsumerRun[] = [];
  for (const run of runs) {
    const last = tidied.at(-1);
    if (last?.attempt === run.attempt && last.nextAt === run.nextAt) tidied[tidied.length - 1] = run;
    else tidied.push(run);
  }
  while (tidied.length > MAX_RUNS) {
    if ((tidied[0] as ConsumerRun).upTo <= acked) tidied.shift();
    else mergeClosest(tidied);
  }
  return { acked, sent, runs: tidied };
}

/** Joins the two neighbours that differ least, so that what is due in a minute stays near its time. */
function mergeClosest(runs: ConsumerRun[]): void {
  let closest = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i + 1 < runs.length; i++) {
    const [one, other] = [runs[i] as ConsumerRun, runs[i + 1] as ConsumerRun];
    const difference = Math.abs(one.attempt - other.attempt) * 1e12 + Math.abs(one.nextAt - other.nextAt);
    if (difference >= least) continue;
    least = difference;
    closest = i;
  }
  const [one, other] = [runs[closest] as ConsumerRun, runs[closest + 1] as ConsumerRun];
  runs.splice(closest, 2, {
    upTo: other.upTo,
    attempt: Math.min(one.attempt, other.attempt),
    nextAt: Math.max(one.nextAt, other.nextAt),
  });
}
