import {
  coversCursor,
  type DroppedMessage,
  formatPosition,
  hasWildcard,
  type MillraceEvent,
  type PositionMessage,
  parsePosition,
  type Since,
  type SnapshotMessage,
  type SubscribedMessage,
} from '@millrace/protocol';
import type { Gap } from './types.ts';

/** What a feed asks of the progress of its subscription. */
export type FeedProgress = Pick<
  Progress,
  | 'resume'
  | 'position'
  | 'cursor'
  | 'live'
  | 'subscribed'
  | 'snapshot'
  | 'accept'
  | 'moved'
  | 'dropped'
  | 'forget'
> & { clone(): FeedProgress };

interface Place {
  readonly epoch: string;
  readonly offset: number;
  /** The event's id there, which tells a restored log from the one that was read. */
  readonly id?: string;
}

/**
 * Topics a pattern remembers, to drop what a resume repeats. Beyond it the topics that were quiet the longest are
 * forgotten, and a resume may repeat their events.
 */
export const MAX_PLACES = 20_000;
/** Former lives of a topic that are remembered. */
const MAX_FORMER = 4;

/**
 * How far one subscription has read: what is a repeat, and from where to resume.
 *
 * A topic resumes from its position. A pattern resumes from the last cursor, which may lie before events already
 * read; the places of its topics tell them from new ones. A cursor does not say which places are needed no more: it, and
 * the one after it, may be older than what came before them, where a replay had read ahead of live delivery.
 *
 * With a filter the server tells from time to time how far it has read: only that says where a replay ends, since
 * `replayed` counts what is read, not what comes; and it moves the place to resume from behind events kept back.
 *
 * What begins with snapshots stands where they do; until the last of them has come, nothing is there to resume from.
 */
export class Progress {
  readonly topic: string;
  readonly #since: Since | undefined;
  readonly #isPattern: boolean;
  readonly #filtered: boolean;
  #places = new Map<string, Place>();
  #olderPlaces = new Map<string, Place>();
  /** By topic, the epochs of its former lives that were read to their end: a replay may begin before it. */
  readonly #former = new Map<string, readonly string[]>();
  #cursor: string | undefined;
  /** `subscribed.cursor` lies behind the replay, so it counts only when the replay has been read. */
  #cursorAfterReplay: string | undefined;
  /** `subscribed.position`: how far the replay reaches. */
  #head: Place | undefined;
  /** Over SSE a filtered topic is moved on by a cursor, which then lies behind its last event. */
  #cursorBehindPlace: string | undefined;
  #replayLeft = 0;
  #snapshotsLeft = 0;
  /** Some of the replay was dropped and nobody knows how much: the next cursor from the server ends it. */
  #uncounted = false;

  constructor(topic: string, since: Since | undefined, filtered: boolean) {
    this.topic = topic;
    this.#since = since;
    this.#isPattern = hasWildcard(topic);
    this.#filtered = filtered;
  }

  /** One more reader that stands at the same place. */
  clone(): Progress {
    const copy = new Progress(this.topic, this.#since, this.#filtered);
    copy.#places = new Map(this.#places);
    copy.#olderPlaces = new Map(this.#olderPlaces);
    for (const [topic, epochs] of this.#former) copy.#former.set(topic, epochs);
    copy.#cursor = this.#cursor;
    copy.#cursorBehindPlace = this.#cursorBehindPlace;
    return copy;
  }

  /** What to ask for in the next `subscribe`; `undefined` means from now on. */
  get resume(): Since | undefined {
    if (this.#cursorBehindPlace !== undefined) return this.#cursorBehindPlace;
    const place = this.#isPattern ? undefined : this.#places.get(this.topic);
    if (place === undefined) return this.#cursor ?? this.#since;
    return place.id === undefined ? formatPosition(place) : { ...place, id: place.id };
  }

  /** Place of a topic's reader; `undefined` for a pattern. */
  get position(): string | undefined {
    const place = this.#isPattern ? undefined : this.#places.get(this.topic);
    return place === undefined ? undefined : formatPosition(place);
  }

  get cursor(): string | undefined {
    return this.#cursor;
  }

  /** Whether the replay has been read. */
  get live(): boolean {
    return this.#replayLeft === 0 && this.#snapshotsLeft === 0;
  }

  /** Takes the server's answer; what it says was missed. */
  subscribed(message: SubscribedMessage): Gap | undefined {
    const missed = message.recovered === false;
    const gap: Gap | undefined = missed
      ? { topic: message.topic, reason: message.reason ?? 'expired' }
      : undefined;
    if (missed) this.forget();
    this.#endReplay();
    if (missed && this.#since === 'snapshot') return gap;
    this.#snapshotsLeft = message.snapshots ?? 0;
    this.#replayLeft = message.replayed;
    this.#cursorAfterReplay = message.cursor;
    this.#head = message.position === undefined ? undefined : parsePosition(message.position);
    // With a replay to come the reader does not stand at the head yet.
    if (this.live) this.#standAt(message.position);
    this.#countReplayed(0);
    return gap;
  }

  /** Everything up to there is in it; what came before it counts no more. */
  snapshot({ topic, position }: SnapshotMessage): void {
    const place = parsePosition(position);
    if (place !== undefined) this.#remember(topic, place);
    this.#former.delete(topic);
    this.#snapshotsLeft = Math.max(0, this.#snapshotsLeft - 1);
    this.#countReplayed(0);
  }

  /** Whether an event is new; a new one moves the reader on. */
  accept(event: MillraceEvent): boolean {
    const known = this.#places.get(event.topic) ?? this.#olderPlaces.get(event.topic);
    const anew = known !== undefined && known.epoch !== event.epoch;
    const isNew = anew
      ? this.#former.get(event.topic)?.includes(event.epoch) !== true
      : known === undefined || event.offset > known.offset;
    if (isNew) {
      if (anew)
        this.#former.set(
          event.topic,
          [...(this.#former.get(event.topic) ?? []), known.epoch].slice(-MAX_FORMER),
        );
      this.#cursorBehindPlace = undefined;
      this.#remember(event.topic, { epoch: event.epoch, offset: event.offset, id: event.id });
    }
    if (!this.#filtered) this.#countReplayed(1);
    return isNew;
  }

  /** The server moves a quiet reader on; true when the cursor changed. */
  moved(message: PositionMessage): boolean {
    const own = message.topic === this.topic;
    const before = this.#cursor;
    if (own && this.#filtered) this.#movedByFilter(message);
    else if (this.live || this.#uncounted) {
      if (own) this.#standAt(message.position);
      if (message.cursor !== undefined && message.cursor !== before) {
        this.#endReplay();
        this.#cursor = message.cursor;
      }
    }
    return this.#cursor !== before;
  }

  #movedByFilter({ position, cursor }: PositionMessage): void {
    this.#standAt(position);
    if (cursor !== undefined) this.#cursor = cursor;
    if (!this.#isPattern) this.#cursorBehindPlace = cursor;
    if (this.#replayLeft > 0 && this.#reachesHead(position, cursor)) this.#countReplayed(this.#replayLeft);
  }

  #reachesHead(position: string | undefined, cursor: string | undefined): boolean {
    const place = position === undefined ? undefined : parsePosition(position);
    if (place !== undefined && this.#head !== undefined) {
      return place.epoch !== this.#head.epoch || place.offset >= this.#head.offset;
    }
    return cursor !== undefined && coversCursor(cursor, this.#cursorAfterReplay || cursor);
  }

  dropped({ topic, from, to, count, reason }: DroppedMessage): Gap {
    const place = this.#places.get(topic);
    // What a slow reader was spared may come between events that it gets: those move it on.
    if (reason === 'slow' || reason === 'conflated') return { topic, reason, from, to, count };
    if (place !== undefined && to !== undefined && to > place.offset) {
      this.#remember(topic, { epoch: place.epoch, offset: to });
    }
    if (count === undefined) this.#uncounted = true;
    else if (!this.#filtered) this.#countReplayed(count);
    return { topic, reason, from, to, count };
  }

  #standAt(position: string | undefined): void {
    const place = position === undefined ? undefined : parsePosition(position);
    if (place === undefined || this.#isPattern) return;
    const known = this.#places.get(this.topic);
    if (known?.epoch === place.epoch && known.offset >= place.offset) return;
    this.#places.set(this.topic, place);
  }

  #countReplayed(count: number): void {
    this.#replayLeft = Math.max(0, this.#replayLeft - count);
    const cursor = this.#cursorAfterReplay;
    if (!this.live || cursor === undefined) return;
    // A filtered pattern may have been moved beyond it already.
    if (this.#cursor === undefined || !coversCursor(this.#cursor, cursor)) this.#cursor = cursor;
    this.#endReplay();
  }

  #endReplay(): void {
    this.#replayLeft = 0;
    this.#snapshotsLeft = 0;
    this.#uncounted = false;
    this.#cursorAfterReplay = undefined;
  }

  #remember(topic: string, place: Place): void {
    this.#places.set(topic, place);
    if (this.#places.size <= MAX_PLACES / 2) return;
    this.#olderPlaces = this.#places;
    this.#places = new Map();
  }

  /** Begins again as it began at first. */
  forget(): void {
    this.#places.clear();
    this.#olderPlaces.clear();
    this.#former.clear();
    this.#cursor = undefined;
    this.#cursorBehindPlace = undefined;
  }
}
