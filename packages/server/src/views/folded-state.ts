import { type AnyView, type Catalog, upcastEvent } from '@millrace/catalog';
import { type Cursor, MillraceError, type Position } from '@millrace/protocol';
import type { StoredEvent } from '../engine/engine.ts';
import { cursorCovers } from '../hub/cursor-clock.ts';
import { Snapshot } from '../hub/snapshot.ts';
import { eventOf } from './event-of.ts';

/** Longest text of a state. A view keeps its state to a quarter of that. */
const MAX_STATE_LENGTH = 4 * 1024 * 1024;

export type PlaceInLog = Pick<StoredEvent, 'slot' | 'partition' | 'seq'>;

/** What is known of the last event that was folded. */
export type LastFolded = PlaceInLog & Pick<StoredEvent, 'id' | 'offset' | 'timestamp'>;

/** A state, and the place in the log that it belongs to. */
export interface StateAt {
  readonly state: unknown;
  readonly position: Position;
  /** The event at `position`; missing where nothing was folded yet. */
  readonly last: LastFolded | undefined;
}

/**
 * The state of one topic by its view, as far as it is folded. A `MillraceError` (`internal`, not retryable) says that the
 * view failed; then the state is not to be used any more.
 */
export class FoldedState {
  readonly topic: string;
  readonly view: AnyView;
  readonly #catalog: Catalog;
  #state: unknown;
  #position: Position | undefined;
  #last: LastFolded | undefined;
  /** The last event before `#position` where that was taken by retention, and not folded. */
  #taken: PlaceInLog | undefined;
  #snapshot: Snapshot | undefined;

  /** Without `at`: the initial state, before the oldest event that is kept. */
  constructor(topic: string, catalog: Catalog, at?: StateAt) {
    this.topic = topic;
    this.view = catalog.viewOf(topic);
    this.#catalog = catalog;
    this.#state = at === undefined ? this.#guard(0, () => this.view.initial()) : at.state;
    this.#position = at?.position;
    this.#last = at?.last;
    this.#taken = undefined;
    this.#snapshot = undefined;
  }

  /** `undefined` until it is known where the log begins. */
  get position(): Position | undefined {
    return this.#position;
  }

  get last(): LastFolded | undefined {
    return this.#last;
  }

  /** Whether all that was folded, or that retention took before it could be, lies at or before the cursor. */
  isWithin(cursor: Cursor): boolean {
    const last = this.#taken ?? this.#last;
    return last === undefined || cursorCovers(cursor, last);
  }

  /** Retention took what follows: from the oldest event that is kept on it goes on, with what it has. */
  skipToOldest(): void {
    this.#position = undefined;
  }

  /** What follows begins right after this position; `taken`: the last event that retention took before it. */
  beginAt(position: Position, taken: PlaceInLog | undefined): void {
    this.#position = position;
    this.#taken = taken;
    this.#snapshot = undefined;
  }

  fold(event: StoredEvent): void {
    this.#snapshot = undefined;
    this.#state = this.#guard(event.offset, () =>
      this.view.fold(this.#state, upcastEvent(this.#catalog, eventOf(event))),
    );
    this.#position = { epoch: event.epoch, offset: event.offset };
    const { id, offset, slot, partition, seq, timestamp } = event;
    this.#last = { id, offset, slot, partition, seq, timestamp };
    this.#taken = undefined;
  }

  /** It is known where the log begins. `nowMs` dates a topic without events. */
  snapshot(nowMs: number): Snapshot {
    if (this.#snapshot !== undefined) return this.#snapshot;
    const position = this.#position as Position;
    this.#snapshot = new Snapshot({
      topic: this.topic,
      view: this.view.name,
      position,
      state: this.#text(position.offset),
      timestamp: this.#last?.timestamp ?? nowMs,
    });
    return this.#snapshot;
  }

  #text(offset: number): string {
    const text = this.#guard(offset, () => JSON.stringify(this.#state) as string | undefined);
    if (text === undefined) throw this.#failure(offset, new TypeError('its state is not JSON'));
    if (text.length <= MAX_STATE_LENGTH) return text;
    throw new MillraceError(
      'too-large',
      `the state of topic "${this.topic}" is over ${MAX_STATE_LENGTH} characters long: its view "${this.view.name}" does not bound it`,
    );
  }

  #guard<Result>(offset: number, step: () => Result): Result {
    try {
      return step();
    } catch (error) {
      throw this.#failure(offset, error);
    }
  }

  #failure(offset: number, cause: unknown): MillraceError {
    const { topic, view } = this;
    const why = cause instanceof Error ? cause.message : String(cause);
    return new MillraceError(
      'internal',
      `the view "${view.name}" of topic "${topic}" failed at offset ${offset}: ${why}; subscribe without "snapshot"`,
      { details: { topic, view: view.name, offset }, cause, retryable: false },
    );
  }
}
