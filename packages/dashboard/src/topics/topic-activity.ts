import type { MillraceEvent } from '@millrace/protocol';

/** How many seconds the shown rate is the mean of. */
const WINDOW_S = 5;

export interface Activity {
  /** Events seen since watching began. */
  readonly seen: number;
  readonly perSecond: number;
  readonly newest: MillraceEvent;
}

interface Tally {
  seen: number;
  newest: MillraceEvent;
  /** Events of each of the last seconds; `second % WINDOW_S` is its place. */
  readonly counts: number[];
  /** The second that was counted last. */
  second: number;
}

/** Counts live events by topic. */
export class TopicActivity {
  readonly #tallies = new Map<string, Tally>();
  readonly #beganMs: number;

  constructor(nowMs: number) {
    this.#beganMs = nowMs;
  }

  record(event: MillraceEvent, nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    const tally = this.#tallies.get(event.topic) ?? this.#add(event, second);
    forgetBefore(tally, second);
    tally.seen++;
    tally.newest = event;
    const place = second % WINDOW_S;
    tally.counts[place] = (tally.counts[place] ?? 0) + 1;
  }

  /** What has happened so far, as a value that does not change any more. */
  snapshot(nowMs: number): ReadonlyMap<string, Activity> {
    const second = Math.floor(nowMs / 1000);
    // At first the window is not full yet.
    const seconds = Math.min(WINDOW_S, Math.max(1, (nowMs - this.#beganMs) / 1000));
    return new Map(
      [...this.#tallies].map(([topic, tally]) => {
        forgetBefore(tally, second);
        const inWindow = tally.counts.reduce((sum, count) => sum + count, 0);
        return [topic, { seen: tally.seen, newest: tally.newest, perSecond: inWindow / seconds }];
      }),
    );
  }

  #add(event: MillraceEvent, second: number): Tally {
    const tally = { seen: 0, newest: event, counts: new Array<number>(WINDOW_S).fill(0), second };
    this.#tallies.set(event.topic, tally);
    return tally;
  }
}

/** Empties the places of the seconds that have passed since. */
function forgetBefore(tally: Tally, second: number): void {
  const passed = Math.min(WINDOW_S, second - tally.second);
  for (let i = 1; i <= passed; i++) tally.counts[(tally.second + i) % WINDOW_S] = 0;
  tally.second = second;
}
