import {
  hasWildcard,
  matchesPattern,
  parseCursor,
  parsePosition,
  type RecoveryFailure,
} from '@millrace/protocol';
import type { EngineSlot, Retention } from '../packages/server/src/engine/engine.ts';
import { slotOf } from './simulated-server.ts';

/*
 * What logs are, in so few words that they can be seen to be right: lists of events, and what has been taken from them.
 * Nothing here knows of sessions, memory, pages or time. The words of the protocol's rules are meant: [REC-1] to [REC-7].
 */

/** What a publication says, beside its topic. */
export interface Saying {
  readonly event: string;
  readonly key: string | undefined;
  readonly rest: number;
}

export interface ModelEvent extends Saying {
  readonly topic: string;
  readonly epoch: string;
  readonly offset: number;
  readonly slot: EngineSlot;
  readonly engine: string;
  readonly seq: number;
  readonly atMs: number;
  /** Retention took it. */
  trimmed: boolean;
  /** It went with its topic, or its engine. */
  deleted: boolean;
}

/** One life of a topic. */
interface Life {
  readonly birthSeq: number;
  readonly epoch: string;
  readonly events: ModelEvent[];
}

/** What a subscription that begins somewhere must be told. */
export type Recovery =
  | { readonly ok: true; readonly events: readonly ModelEvent[] }
  | {
      readonly ok: false;
      readonly reason: RecoveryFailure;
      /**
       * What a server may still bring that remembers more than the log: everything after the place, and nothing less.
       * `undefined` when some of it is gone with its log.
       */
      readonly whole: readonly ModelEvent[] | undefined;
    };

interface Engine {
  name: string;
  seq: number;
  deletions: { readonly topic: string; readonly seq: number }[];
  readonly lives: Map<string, Life>;
}

export class LogModel {
  /** Every event that ever was, in the order of storing. */
  readonly events: ModelEvent[] = [];
  readonly #retention: Retention;
  readonly #engines: Record<EngineSlot, Engine>;
  #replacements = 0;

  constructor(retention: Retention) {
    this.#retention = retention;
    this.#engines = { live: this.#createEngine('live'), durable: this.#createEngine('durable') };
  }

  publish(topic: string, saying: Saying, atMs: number): ModelEvent {
    const slot = slotOf(topic);
    const engine = this.#engines[slot];
    const seq = ++engine.seq;
    let life = engine.lives.get(topic);
    if (life === undefined) {
      life = { birthSeq: seq, epoch: epochOf(engine, seq), events: [] };
      engine.lives.set(topic, life);
    }
    const { epoch } = life;
    const offset = life.events.length + 1;
    const place = { topic, epoch, offset, slot, engine: engine.name, seq, atMs };
    const event: ModelEvent = { ...saying, ...place, trimmed: false, deleted: false };
    life.events.push(event);
    this.events.push(event);
    const { maxEvents = Infinity } = this.#retention;
    if (offset > maxEvents) (life.events[offset - maxEvents - 1] as ModelEvent).trimmed = true;
    return event;
  }

  delete(topic: string): void {
    const engine = this.#engines[slotOf(topic)];
    const life = engine.lives.get(topic);
    if (life === undefined) return;
    engine.lives.delete(topic);
    engine.deletions.push({ topic, seq: ++engine.seq });
    for (const event of life.events) event.deleted = true;
  }

  /** Removes the events of a topic up to an offset. */
  trim(topic: string, upTo: number): void {
    for (const event of this.#life(topic)?.events ?? []) if (event.offset <= upTo) event.trimmed = true;
  }

  /** Removes what is too old, as an engine does that looks now. */
  expire(slot: EngineSlot, nowMs: number): void {
    const { maxAgeMs = Infinity } = this.#retention;
    for (const life of this.#engines[slot].lives.values()) {
      for (const event of life.events) if (event.atMs < nowMs - maxAgeMs) event.trimmed = true;
    }
  }

  /** An engine is lost with all that it held. */
  replace(slot: EngineSlot): void {
    for (const life of this.#engines[slot].lives.values()) {
      for (const event of life.events) event.deleted = true;
    }
    this.#engines[slot] = this.#createEngine(slot);
  }

  /** A topic's head, printed; of one that does not exist, the place from which its events will be counted. */
  head(topic: string): string {
    const engine = this.#engines[slotOf(topic)];
    const life = engine.lives.get(topic);
    return life === undefined
      ? `${epochOf(engine, engine.seq + 1)}:0`
      : `${life.epoch}:${life.events.length}`;
  }

  /** Offset of the newest event; 0 when there is none. */
  offset(topic: string): number {
    return this.#life(topic)?.events.length ?? 0;
  }

  /** All events of this life of a topic, whatever retention took. */
  life(topic: string): readonly ModelEvent[] {
    return this.#life(topic)?.events ?? [];
  }

  /** Offset of the newest event, of this life of the topic, that retention took; 0 when it took none. */
  trimmedUpTo(topic: string): number {
    return this.#life(topic)?.events.findLast(({ trimmed }) => trimmed)?.offset ?? 0;
  }

  /** What follows a place, for a topic or pattern. */
  since(name: string, place: string): Recovery {
    const position = parsePosition(place);
    return position === undefined ? this.#sinceCursor(name, place) : this.#sincePosition(name, position);
  }

  /** What is kept, of a topic or pattern, in the order of storing. */
  kept(name: string): ModelEvent[] {
    return this.events.filter(
      ({ topic, trimmed, deleted }) => !trimmed && !deleted && matchesPattern(name, topic),
    );
  }

  #createEngine(slot: EngineSlot): Engine {
    return { name: `${slot.charAt(0)}${this.#replacements++}`, seq: 0, deletions: [], lives: new Map() };
  }

  #life(topic: string): Life | undefined {
    return this.#engines[slotOf(topic)].lives.get(topic);
  }

  #sincePosition(topic: string, { epoch, offset }: { epoch: string; offset: number }): Recovery {
    const engine = this.#engines[slotOf(topic)];
    const [name, birth = ''] = epoch.split('-');
    if (name !== engine.name) return lost('epoch');
    const life = engine.lives.get(topic);
    if (life?.epoch === epoch) {
      return offset > life.events.length ? lost('epoch') : recovered(life.events.slice(offset));
    }
    // It was handed out while the topic did not exist, or in another life of it.
    const bornBefore = Number.parseInt(birth, 36);
    const deletedSince = engine.deletions.some((each) => each.topic === topic && each.seq >= bornBefore);
    const born = life?.birthSeq ?? engine.seq + 1;
    if (deletedSince || offset !== 0 || bornBefore > born) return lost('epoch');
    return recovered(life?.events ?? []);
  }

  #sinceCursor(name: string, place: string): Recovery {
    const cursor = parseCursor(place) ?? {};
    const after: ModelEvent[] = [];
    let reason: RecoveryFailure | undefined;
    for (const slot of SLOTS) {
      if (!mayMatch(name, slot)) continue;
      const engine = this.#engines[slot];
      const part = cursor[slot];
      const seq = part?.seqs[0] ?? 0;
      if (part?.epoch.split('-')[0] !== engine.name || seq > engine.seq) return lost(reason ?? 'epoch');
      const deleted = engine.deletions.some((each) => each.seq > seq && matchesPattern(name, each.topic));
      const own = this.events.filter(
        (event) => event.engine === engine.name && event.seq > seq && matchesPattern(name, event.topic),
      );
      const trimmed = own.some((event) => event.trimmed && !event.deleted);
      reason ??= deleted ? 'epoch' : trimmed ? 'expired' : undefined;
      after.push(...own);
    }
    if (reason === undefined) return { ok: true, events: after };
    return { ok: false, reason, whole: after.some(({ deleted }) => deleted) ? undefined : after };
  }
}

export const SLOTS: readonly EngineSlot[] = ['durable', 'live'];

/** Whether a topic or pattern may select something of an engine. */
export function mayMatch(name: string, slot: EngineSlot): boolean {
  return (hasWildcard(name) && name.startsWith('*')) || slotOf(name) === slot;
}

function epochOf({ name }: Engine, birthSeq: number): string {
  return `${name}-${birthSeq.toString(36)}`;
}

function lost(reason: RecoveryFailure): Recovery {
  return { ok: false, reason, whole: undefined };
}

function recovered(events: readonly ModelEvent[]): Recovery {
  if (!events.some(({ trimmed }) => trimmed)) return { ok: true, events };
  return { ok: false, reason: 'expired', whole: events };
}
