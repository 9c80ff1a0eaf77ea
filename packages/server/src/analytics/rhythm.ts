/** What happened in one minute. */
export interface Minute {
  readonly atMs: number;
  readonly count: number;
}

/** A stretch of minutes that are unlike the others. ISO 8601; `to` is where it ended, missing while it goes on. */
export interface Stretch {
  readonly from: string;
  readonly to?: string;
  readonly minutes: number;
  readonly count: number;
  /** How many times the usual count of such a stretch; 0 for a silence. */
  readonly times_usual: number;
}

export interface PeakRule {
  /** The least count of a minute. */
  readonly atLeast: number;
  /** Of the usual count: the median of the minutes in which something happened. */
  readonly factor: number;
}

const MINUTE_MS = 60_000;
/** Before so many minutes nothing is usual. */
const MIN_MINUTES = 10;
/** Of the ten minutes before a silence, so many had something to say. */
const LIVELY_MINUTES = 5;
const MIN_SILENCE = 2;

/** Minutes with far more than usual. */
export function findPeaks(minutes: readonly Minute[], { atLeast, factor }: PeakRule): Stretch[] {
  if (minutes.length < MIN_MINUTES) return [];
  const usual = usualCount(minutes);
  return stretchesOf(minutes, ({ count }) => count >= atLeast && count >= factor * Math.max(1, usual), usual);
}

/** Minutes without anything, after some that were lively. */
export function findSilences(minutes: readonly Minute[]): Stretch[] {
  const lively = (at: number): boolean =>
    minutes.slice(Math.max(0, at - MIN_MINUTES), at).filter(({ count }) => count > 0).length >=
    LIVELY_MINUTES;
  return stretchesOf(minutes, ({ count }) => count === 0, 0).filter(
    ({ from, minutes: length }) =>
      length >= MIN_SILENCE && lively(minutes.findIndex(({ atMs }) => atMs === Date.parse(from))),
  );
}

function usualCount(minutes: readonly Minute[]): number {
  const counts = minutes.map(({ count }) => count).filter((count) => count > 0);
  return counts.sort((a, b) => a - b)[Math.floor(counts.length / 2)] ?? 0;
}

function stretchesOf(
  minutes: readonly Minute[],
  belongs: (minute: Minute) => boolean,
  usual: number,
): Stretch[] {
  const stretches: Minute[][] = [];
  let goesOn = false;
  for (const minute of minutes) {
    const before = goesOn;
    goesOn = belongs(minute);
    if (goesOn && before) stretches.at(-1)?.push(minute);
    else if (goesOn) stretches.push([minute]);
  }
  const newest = minutes.at(-1);
  return stretches.map((stretch) => describe(stretch, usual, stretch.at(-1) === newest));
}

function describe(stretch: readonly Minute[], usual: number, goesOn: boolean): Stretch {
  const [{ atMs } = { atMs: 0 }] = stretch;
  const count = stretch.reduce((sum, minute) => sum + minute.count, 0);
  const end = new Date(atMs + stretch.length * MINUTE_MS).toISOString();
  return {
    from: new Date(atMs).toISOString(),
    ...(!goesOn && { to: end }),
    minutes: stretch.length,
    count,
    times_usual: usual === 0 ? 0 : Math.round((count / stretch.length / usual) * 10) / 10,
  };
}
