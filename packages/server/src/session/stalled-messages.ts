import type { Session } from './session.ts';
import { TICK_MS, type Timed } from './timing-wheel.ts';

/** Shares of the time that a message may stand still: until it is noticed at the latest, and from then until the end. */
const NOTICE = 0.4;
const PATIENCE = 0.5;
const LOOK_EVERY_MS = 1000;
/** A message that grows by less while it is watched stands still: whoever sends a byte at a time is no better. */
const MIN_PROGRESS_BYTES = 1024;

interface Suspect {
  sinceMs: number;
  bytes: number;
}

/**
 * Finds sessions that began a message and do not go on with it. All sessions are looked at in turn, a share of them a
 * second, so that neither a message nor an idle session costs anything; only those found in the middle of a message
 * are remembered, and looked at every second.
 */
export class StalledMessages implements Timed {
  readonly #sessions: () => MapIterator<Session>;
  readonly #count: () => number;
  readonly #maxMs: number;
  readonly #onStalled: (session: Session) => void;
  readonly #suspects: Map<Session, Suspect> = new Map();
  #turn: MapIterator<Session> | undefined = undefined;

  constructor(options: {
    sessions: () => MapIterator<Session>;
    count: () => number;
    /** How long a message may stand still. */
    maxMs: number;
    onStalled: (session: Session) => void;
  }) {
    this.#sessions = options.sessions;
    this.#count = options.count;
    this.#maxMs = options.maxMs;
    this.#onStalled = options.onStalled;
  }

  onDue(now: number): number {
    for (const [session, suspect] of this.#suspects) this.#check(session, suspect, now);
    const looks = Math.max(1, Math.floor((this.#maxMs * NOTICE) / LOOK_EVERY_MS));
    this.#look(Math.ceil(this.#count() / looks), now);
    // The wheel comes up to a tick late.
    return now + LOOK_EVERY_MS - TICK_MS;
  }

  #look(count: number, now: number): void {
    this.#turn ??= this.#sessions();
    for (let i = 0; i < count; i++) {
      const { value: session, done } = this.#turn.next();
      if (done) {
        this.#turn = undefined;
        return;
      }
      const bytes = session.unfinishedBytes;
      if (bytes !== undefined && !this.#suspects.has(session))
        this.#suspects.set(session, { sinceMs: now, bytes });
    }
  }

  #check(session: Session, suspect: Suspect, now: number): void {
    const bytes = session.unfinishedBytes;
    if (bytes === undefined || bytes < suspect.bytes) {
      // It has ended. Should another stand still, it is found in its turn.
      this.#suspects.delete(session);
    } else if (bytes - suspect.bytes >= MIN_PROGRESS_BYTES) {
      suspect.sinceMs = now;
      suspect.bytes = bytes;
    } else if (now - suspect.sinceMs >= this.#maxMs * PATIENCE) {
      this.#suspects.delete(session);
      this.#onStalled(session);
    }
  }
}
