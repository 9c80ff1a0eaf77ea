import type { Engine, EngineSlot, Retention } from '../packages/server/src/engine/engine.ts';

/** An event that a log once held, and what it said. */
export interface Committed {
  readonly topic: string;
  readonly epoch: string;
  readonly offset: number;
  readonly id: string;
  readonly slot: EngineSlot;
  /** The epoch of the engine, and the place among all of its events. */
  readonly engineEpoch: string;
  readonly seq: number;
  readonly event: string;
  /** JSON text. */
  readonly data: string;
  readonly key: string | undefined;
  readonly source: string | undefined;
  /** When it was stored: the tick, and ms of the monotonic clock. */
  readonly tick: number;
  readonly atMs: number;
}

/** A time, in both measures. */
export interface Moment {
  readonly tick: number;
  readonly atMs: number;
}

/** Something that made a log another log. */
export interface Break {
  readonly tick: number;
  /** Every topic of this engine, or one topic. */
  readonly slot: EngineSlot;
  readonly topic: string | undefined;
}

/** What really happened to the logs: written beside the engines, so that nothing read from them has to be trusted. */
export class History {
  readonly breaks: Break[] = [];
  readonly #byTopic = new Map<string, Committed[]>();
  readonly #time: { readonly tick: number; monotonic(): number };

  constructor(time: { readonly tick: number; monotonic(): number }) {
    this.#time = time;
  }

  get topics(): readonly string[] {
    return [...this.#byTopic.keys()];
  }

  /** All events that a topic ever had, over all its lives, in order. */
  of(topic: string): readonly Committed[] {
    return this.#byTopic.get(topic) ?? [];
  }

  get size(): number {
    let size = 0;
    for (const events of this.#byTopic.values()) size += events.length;
    return size;
  }

  /** Whether the log had lost an event by then: to its retention, with its topic, or with its engine. */
  isGone(event: Committed, by: Moment, { maxEvents = Infinity, maxAgeMs = Infinity }: Retention): boolean {
    const { epoch, offset, tick, slot, topic } = event;
    const broken = this.breaks.some(
      (each) =>
        each.tick >= tick &&
        each.tick <= by.tick &&
        (each.topic === undefined ? each.slot === slot : each.topic === topic),
    );
    if (broken || event.atMs + maxAgeMs <= by.atMs) return true;
    if (maxEvents === Infinity) return false;
    const after = this.of(topic).filter(
      (each) => each.epoch === epoch && each.offset > offset && each.tick >= tick && each.tick <= by.tick,
    );
    return after.length >= maxEvents;
  }

  /** The engine, which tells the history what it stores and deletes. */
  record(engine: Engine, slot: EngineSlot, engineEpoch: string): Engine {
    const append: Engine['append'] = async (requests) => {
      const pending = engine.append(requests);
      const { tick } = this.#time;
      const atMs = this.#time.monotonic();
      const results = await pending;
      for (const [i, result] of results.entries()) {
        const request = requests[i];
        if (request === undefined || result.status !== 'stored' || result.duplicate) continue;
        const { topic, event, data, key, source } = request;
        const { epoch, offset } = result.position;
        const { id, seq } = result;
        const place = { topic, epoch, offset, id, slot, engineEpoch, seq, tick, atMs };
        this.#add({ ...place, event, data, key, source });
      }
      return results;
    };
    const remove: Engine['delete'] = (entity, topic) => {
      this.breaks.push({ tick: this.#time.tick, slot, topic });
      return engine.delete(entity, topic);
    };
    const own: Partial<Engine> = { append, delete: remove };
    return new Proxy(engine, {
      get: (target, name) => {
        const member: unknown = Reflect.get(own, name) ?? Reflect.get(target, name);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  }

  /** An engine was replaced by an empty one. */
  replaced(slot: EngineSlot): void {
    this.breaks.push({ tick: this.#time.tick, slot, topic: undefined });
  }

  #add(event: Committed): void {
    const events = this.#byTopic.get(event.topic);
    if (events === undefined) this.#byTopic.set(event.topic, [event]);
    else events.push(event);
  }
}
