import { type Cursor, formatPosition, type Position } from '@millrace/protocol';
import type { Dialect, Frame } from './dialect.ts';

/** What a view makes of a topic's events up to a position. */
export interface SnapshotContent {
  readonly topic: string;
  /** The view's name. */
  readonly view: string;
  /** Everything at or before it is in `state`. */
  readonly position: Position;
  /** JSON text. */
  readonly state: string;
  /** When the event at `position` was stored, or, where none was, when the snapshot was taken; ms since the Unix epoch. */
  readonly timestamp: number;
}

/** A snapshot and its frames: encoded once per dialect, whoever gets it. */
export class Snapshot implements SnapshotContent {
  readonly topic: string;
  readonly view: string;
  readonly position: Position;
  readonly state: string;
  readonly timestamp: number;
  #frames: (Frame | undefined)[] = [];
  #bytes: number;

  constructor({ topic, view, position, state, timestamp }: SnapshotContent) {
    this.topic = topic;
    this.view = view;
    this.position = position;
    this.state = state;
    this.timestamp = timestamp;
    this.#bytes = state.length;
  }

  /** Of its text and frames. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The printed position. */
  get place(): string {
    return formatPosition(this.position);
  }

  frame(dialect: Dialect): Frame {
    const known = this.#frames[dialect.index];
    if (known !== undefined) return known;
    const frame = dialect.encodeSnapshot(this);
    this.#frames[dialect.index] = frame;
    this.#bytes += frame.length;
    return frame;
  }
}

/** Where subscriptions get the snapshots from that they begin with. */
export interface SnapshotSource {
  /**
   * The snapshot of one topic that holds at least what live delivery had handed out when it was asked for. Rejects with a
   * `MillraceError`: `internal` when the view fails, `unavailable` when the log cannot be read.
   */
  ofTopic(entity: string, topic: string): Promise<Snapshot>;

  /**
   * The snapshots of all topics that the patterns select, each of exactly what the cursor covers; the newest topics come
   * first. Rejects as {@link ofTopic}, and with `too-large` when there are too many.
   */
  ofPatterns(entity: string, patterns: readonly string[]): Promise<SnapshotsAt>;

  /** The topic was deleted. */
  forget(entity: string, topic: string): Promise<void>;
}

export interface SnapshotsAt {
  readonly cursor: Cursor;
  readonly snapshots: readonly Snapshot[];
}
