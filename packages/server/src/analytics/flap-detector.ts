/** A user who comes and goes. */
export interface Flapping {
  readonly user_id: string;
  /** Short sessions, since it began. */
  readonly sessions: number;
  /** ISO 8601. */
  readonly last_at: string;
}

interface Record {
  /** Ends of the newest short sessions, ms since the Unix epoch, oldest first. */
  ends: number[];
  /** Since it counts as flapping; 0 before. */
  flaps: number;
}

export type FlapState = readonly (readonly [userId: string, flaps: number, lastAtMs: number])[];

const SHORT_MS = 30_000;
const TIMES = 5;
const WINDOW_MS = 300_000;
/** How long somebody who has calmed down is still told of. */
const TOLD_MS = 86_400_000;
const MAX_USERS = 1000;
const MAX_TOLD = 20;

/** Finds users whose sessions end within 30 s, five times in five minutes. The users who were quiet the longest are forgotten first. */
export class FlapDetector {
  readonly #users = new Map<string, Record>();

  constructor(state: FlapState = []) {
    for (const [userId, flaps, lastAtMs] of state) this.#users.set(userId, { ends: [lastAtMs], flaps });
  }

  closed(userId: string, durationMs: number, atMs: number): void {
    if (durationMs >= SHORT_MS) return;
    const record = this.#users.get(userId) ?? { ends: [], flaps: 0 };
    record.ends = [...record.ends.filter((end) => end > atMs - WINDOW_MS), atMs].slice(-TIMES);
    if (record.ends.length === TIMES) record.flaps += record.flaps === 0 ? TIMES : 1;
    this.#users.delete(userId);
    this.#users.set(userId, record);
    if (this.#users.size > MAX_USERS) this.#users.delete(this.#users.keys().next().value ?? '');
  }

  /** The worst first. */
  read(nowMs: number): Flapping[] {
    return this.#told(nowMs).map(([user_id, sessions, lastAtMs]) => ({
      user_id,
      sessions,
      last_at: new Date(lastAtMs).toISOString(),
    }));
  }

  stateAt(nowMs: number): FlapState {
    return this.#told(nowMs);
  }

  #told(nowMs: number): [userId: string, flaps: number, lastAtMs: number][] {
    return [...this.#users]
      .map(([userId, { flaps, ends }]): [string, number, number] => [userId, flaps, ends.at(-1) ?? 0])
      .filter(([, flaps, lastAtMs]) => flaps > 0 && lastAtMs > nowMs - TOLD_MS)
      .sort(([, a], [, b]) => b - a)
      .slice(0, MAX_TOLD);
  }
}
