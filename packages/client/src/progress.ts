import {
  type DroppedMessage,
  formatPosition,
  hasWildcard,
  type MillraceEvent,
  type PositionMessage,
  parsePosition,
  type Since,
  type SubscribedMessage,
} from '@millrace/protocol';
import type { Gap } from './types.ts';

interface Place {
  readonly epoch: string;
  readonly offset: number;
  /** The event's id there, which tells a restored log from the one that was read. */
  readonly id?: string;
}

/**
 * Topics a pattern remembers between two cursors, to drop what a resume repeats. Beyond it the topics that were quiet
 * the longest are forgotten, and a resume may repeat their events.
 */
export const MAX_PLACES = 20_000;

/**
 * How far one subscription has read: what is a repeat, and from where to resume.
 *
 * A topic resumes from its position. A pattern resumes from the last cursor, which may lie before events already
 * read; the places of the topics seen since tell them from new ones. A cursor can be a little older than what came
 * just before it, so places live for two cursors.
 */
export class Progress {
  readonly topic: string;
  readonly #since: Since | undefined;
  readonly #isPattern: boolean;
  #places = new Map<string, Place>();
  #olderPlaces = new Map<string, Place>();
  #cursor: string | undefined;
  /** `subscribed.cursor` lies behind the replay, so it counts only when the replay has been read. */
  #cursorAfterReplay: string | undefined;
  #replayLeft = 0;
  /** Some of the replay was dropped and nobody knows how much: the next cursor from the server ends it. */
  #uncounted = false;

  constructor(topic: string, since: Since | undefined) {
    this.topic = topic;
    this.#since = since;
    this.#isPattern = hasWildcard(topic);
  }

  /** One more reader that stands at the same place. */
  clone(): Progress {
    const copy = new Progress(this.topic, this.#since);
    copy.#places = new Map(this.#places);
    copy.#olderPlaces = new Map(this.#olderPlaces);
    copy.#cursor = this.#cursor;
    return copy;
  }

  /** What to ask for in the next `subscribe`; `undefined` means from now on. */
  get resume(): Since | undefined {
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
    return this.#replayLeft === 0;
  }

  /** Takes the server's answer; what it says was missed. */
  subscribed(message: SubscribedMessage): Gap | undefined {
    const missed = message.recovered === false;
    if (missed) this.#forget();
    this.#endReplay();
    this.#replayLeft = message.replayed;
    this.#cursorAfterReplay = message.cursor;
    // With a replay to come the reader does not stand at the head yet.
    if (message.replayed === 0) this.#standAt(message.position);
    this.#countReplayed(0);
    return missed ? { topic: message.topic, reason: message.reason ?? 'expired' } : undefined;
  }

  /** Whether an event is new; a new one moves the reader on. */
  accept(event: MillraceEvent): boolean {
    const known = this.#places.get(event.topic) ?? this.#olderPlaces.get(event.topic);
    const isNew = known === undefined || known.epoch !== event.epoch || event.offset > known.offset;
    if (isNew) this.#remember(event.topic, { epoch: event.epoch, offset: event.offset, id: event.id });
    this.#countReplayed(1);
    return isNew;
  }

  /** The server moves a quiet reader on; true when the cursor changed. */
  moved({ position, cursor, topic }: PositionMessage): boolean {
    if (this.#replayLeft > 0 && !this.#uncounted) return false;
    if (topic === this.topic) this.#standAt(position);
    if (cursor === undefined || cursor === this.#cursor) return false;
    this.#endReplay();
    this.#setCursor(cursor);
    return true;
  }

  dropped({ topic, from, to, count, reason }: DroppedMessage): Gap {
    const place = this.#places.get(topic);
    if (place !== undefined && to !== undefined && to > place.offset) {
      this.#remember(topic, { epoch: place.epoch, offset: to });
    }
    if (count === undefined) this.#uncounted = true;
    else this.#countReplayed(count);
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
    if (this.#replayLeft > 0 || this.#cursorAfterReplay === undefined) return;
    this.#setCursor(this.#cursorAfterReplay);
    this.#endReplay();
  }

  #endReplay(): void {
    this.#replayLeft = 0;
    this.#uncounted = false;
    this.#cursorAfterReplay = undefined;
  }

  #setCursor(cursor: string): void {
    this.#cursor = cursor;
    if (this.#isPattern) this.#age();
  }

  #remember(topic: string, place: Place): void {
    this.#places.set(topic, place);
    if (this.#places.size > MAX_PLACES / 2) this.#age();
  }

  #age(): void {
    this.#olderPlaces = this.#places;
    this.#places = new Map();
  }

  #forget(): void {
    this.#places.clear();
    this.#olderPlaces.clear();
    this.#cursor = undefined;
  }
}
