import type { MillraceEvent, Since } from '@millrace/protocol';

/** Where to go on after a restart: everything up to `since` is done, and of some topics more than that. */
export interface BookmarkState {
  readonly since: Since;
  /** By topic, the last event that is done behind `since`. */
  readonly done: Readonly<Record<string, Place>>;
}

interface Place {
  readonly epoch: string;
  readonly offset: number;
}

/** An event that is being handled. */
export interface Ticket {
  readonly number: number;
  readonly event: MillraceEvent;
}

/** Topics of which a bookmark says more than `since`; the events of others may come again. */
const MAX_DONE = 1000;

/**
 * How far a reader has come that handles events of several topics side by side, in order within each. The place of a pattern is a
 * cursor, which moves in steps; it counts once all is done that was read up to it, and what was done since is told by topic.
 */
export class Bookmark {
  #since: Since | undefined;
  /** Of the newest event that `since` covers. */
  #sinceNumber = 0;
  #taken = 0;
  readonly #open = new Set<number>();
  #marks: { readonly since: Since; readonly number: number }[] = [];
  readonly #done = new Map<string, Place & { readonly number: number }>();

  constructor(known: BookmarkState | undefined) {
    this.#since = known?.since;
    for (const [topic, place] of Object.entries(known?.done ?? {})) {
      this.#done.set(topic, { ...place, number: 0 });
    }
  }

  /** An event to handle, which is to be given to {@link settle}; `undefined` when it is done already. */
  take(event: MillraceEvent): Ticket | undefined {
    const place = this.#done.get(event.topic);
    if (place?.epoch === event.epoch && event.offset <= place.offset) return undefined;
    const number = ++this.#taken;
    this.#open.add(number);
    return { number, event };
  }

  /** It is done, as all before it in its topic. */
  settle({ number, event }: Ticket): void {
    this.#open.delete(number);
    this.#done.delete(event.topic);
    this.#done.set(event.topic, { epoch: event.epoch, offset: event.offset, number });
    if (this.#done.size > MAX_DONE) this.#done.delete(this.#done.keys().next().value ?? '');
  }

  /** `since` is a place behind everything that was taken until now. */
  mark(since: Since | undefined): void {
    if (since === undefined || (this.#marks.at(-1)?.since ?? this.#since) === since) return;
    this.#marks.push({ since, number: this.#taken });
  }

  /** What to keep; `undefined` until there is a place. */
  get state(): BookmarkState | undefined {
    this.#moveOn();
    if (this.#since === undefined) return undefined;
    const done = [...this.#done].map(([topic, { epoch, offset }]) => [topic, { epoch, offset }] as const);
    return { since: this.#since, done: Object.fromEntries(done) };
  }

  /** Whether nothing is under way and one place says all. */
  get exact(): boolean {
    this.#moveOn();
    return this.#open.size === 0 && this.#done.size === 0;
  }

  #moveOn(): void {
    const firstOpen = this.#open.values().next().value ?? Infinity;
    const reached = this.#marks.findLast(({ number }) => number < firstOpen);
    if (reached === undefined) return;
    this.#marks = this.#marks.filter(({ number, since }) => number >= firstOpen && since !== reached.since);
    this.#since = reached.since;
    this.#sinceNumber = reached.number;
    for (const [topic, { number }] of this.#done) if (number <= this.#sinceNumber) this.#done.delete(topic);
  }
}
