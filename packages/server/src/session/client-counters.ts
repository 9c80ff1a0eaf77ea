import { CODE_TABLE, type CodeName } from '@millrace/protocol';
import type { Clock } from '../clock.ts';
import { NameCounts } from '../metrics/name-counts.ts';
import { RecentCount } from '../metrics/recent-count.ts';

/** What {@link ClientCounters.reconnectionRate} looks back at, in ms. */
const RECONNECTION_WINDOW_MS = 300_000;

/** More than there are statuses in use. */
const MAX_STATUSES = 64;

/** What clients did and were told, at all doors, since the server started. */
export class ClientCounters {
  /** Messages from sessions, whatever became of them. */
  messagesReceived = 0;
  /** Failures of the server itself, which its log has. */
  failures = 0;
  /** HTTP answers by status. */
  readonly httpAnswers: NameCounts = new NameCounts(MAX_STATUSES);
  readonly #errors: NameCounts = new NameCounts(Object.keys(CODE_TABLE).length);
  readonly #recentlyOpened: RecentCount;
  readonly #recentlyResumed: RecentCount;
  #opened = 0;
  #resumed = 0;

  constructor(clock: Clock) {
    this.#recentlyOpened = new RecentCount({ clock, windowMs: RECONNECTION_WINDOW_MS });
    this.#recentlyResumed = new RecentCount({ clock, windowMs: RECONNECTION_WINDOW_MS });
  }

  /** Sessions that were authenticated. */
  get opened(): number {
    return this.#opened;
  }

  /** Of these, the ones that went on from a position or cursor. */
  get resumed(): number {
    return this.#resumed;
  }

  /**
   * The share (0–1) of the sessions opened within the last five minutes that resumed: 0 when none was opened. A client
   * that comes back without anything to go on from looks like a new one, and one that was given a position by somebody else
   * like one that comes back.
   */
  get reconnectionRate(): number {
    const opened = this.#recentlyOpened.read();
    return opened === 0 ? 0 : Math.min(1, this.#recentlyResumed.read() / opened);
  }

  /** Errors that somebody was answered with, by code. */
  get errors(): Pick<NameCounts, 'total' | 'get' | 'entries'> {
    return this.#errors;
  }

  countOpened(): void {
    this.#opened++;
    this.#recentlyOpened.add();
  }

  /** Once a session. */
  countResumed(): void {
    this.#resumed++;
    this.#recentlyResumed.add();
  }

  countError(code: CodeName): void {
    this.#errors.add(code);
  }
}
