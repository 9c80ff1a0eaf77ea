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

export function stretchesOf({ acked, runs }: Progress): Stretch[] {
  let after = acked;
  return runs.map((run) => {
    const stretch = { ...run, after };
    after = run.upTo;
    return stretch;
  });
}

/** Events up to `upTo` were sent for the first time; they are due again at `nextAt`. */
export function noteSent(progress: Progress, upTo: number, nextAt: number): Progress {
  if (upTo <= progress.sent) return progress;
  return { acked: progress.acked, sent: upTo, runs: tidy([...progress.runs, { upTo, attempt: 1, nextAt }]) };
}

/** Events up to `upTo` are done with: acknowledged, buried, or removed by retention. Never moves back. */
export function noteDone(progress: Progress, upTo: number): Progress {
  if (upTo <= progress.acked) return progress;
  return {
    acked: upTo,
    sent: Math.max(progress.sent, upTo),
    runs: progress.runs.filter((run) => run.upTo > upTo),
  };
}

/** What was due at `dueAt`, up to `upTo`, was sent once more at `sentAt`. */
export function noteSentAgain(
  progress: Progress,
  upTo: number,
  { dueAt, sentAt }: { readonly dueAt: number; readonly sentAt: number },
  rules: DeliveryRules,
): Progress {
  if (!progress.runs.some((run) => rules.isDue(run, dueAt))) return progress;
  const runs = stretchesOf(progress).flatMap((stretch): ConsumerRun[] => {
    const { after, attempt, nextAt } = stretch;
    const run = { upTo: stretch.upTo, attempt, nextAt };
    if (!rules.isDue(stretch, dueAt) || after >= upTo) return [run];
    const sentAgain = { attempt: attempt + 1, nextAt: sentAt + rules.waitAfter(attempt + 1) };
    if (stretch.upTo <= upTo) return [{ ...sentAgain, upTo: stretch.upTo }];
    return [{ ...sentAgain, upTo }, run];
  });
  return { acked: progress.acked, sent: progress.sent, runs: tidy(runs) };
}

/** How often the event at `offset` was sent, and when it is due again; `undefined` when it was not or is done with. */
export function runAt(progress: Progress, offset: number): ConsumerRun | undefined {
  if (offset <= progress.acked) return undefined;
  return progress.runs.find((run) => run.upTo >= offset);
}

function tidy(runs: readonly ConsumerRun[]): ConsumerRun[] {
  const tidied: ConsumerRun[] = [];
  for (const run of runs) {
    const last = tidied.at(-1);
    if (last?.attempt === run.attempt && last.nextAt === run.nextAt) tidied[tidied.length - 1] = run;
    else tidied.push(run);
  }
  while (tidied.length > MAX_RUNS) mergeClosest(tidied);
  return tidied;
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
