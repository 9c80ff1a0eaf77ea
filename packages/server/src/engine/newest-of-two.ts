import type { Engine, EngineSlot, ReadLimit, ReadSinceFrom, StoredEvent } from './engine.ts';

/** Events looked at together; each page is let go before the next. */
const PAGE: ReadLimit = { maxEvents: 500, maxBytes: 1024 * 1024 };

/**
 * How many of the newest `count` events that match lie in each of two logs, which have no order in common but time. Both
 * are read from where their own newest `count` begin, and the older of the two beginnings is dropped while there are too
 * many; of the same millisecond the durable one first.
 */
export async function sharesOfNewest(
  engines: Readonly<Record<EngineSlot, Engine>>,
  entity: string,
  patterns: readonly string[],
  count: number,
): Promise<Record<EngineSlot, number>> {
  for (;;) {
    const durable = new Newest(engines.durable, entity, patterns, count);
    const live = new Newest(engines.live, entity, patterns, count);
    let whole = (await Promise.all([durable.readOn(), live.readOn()])).every(Boolean);
    while (whole && durable.left + live.left > count) {
      const older = durable.timestamp <= live.timestamp ? durable : live;
      older.dropOldest();
      if (older.exhausted) whole = await older.readOn();
    }
    if (whole) return { durable: durable.left, live: live.left };
  }
}

/** One log's newest events, of which the oldest are dropped. */
class Newest {
  readonly #engine: Engine;
  readonly #entity: string;
  readonly #patterns: readonly string[];
  #from: ReadSinceFrom;
  #events: readonly StoredEvent[] = [];
  #next = 0;
  #behind = 0;

  constructor(engine: Engine, entity: string, patterns: readonly string[], count: number) {
    this.#engine = engine;
    this.#entity = entity;
    this.#patterns = patterns;
    this.#from = { last: count };
  }

  get left(): number {
    return this.#events.length - this.#next + this.#behind;
  }

  /** Of the oldest that is left; later than all when none is. */
  get timestamp(): number {
    return this.#events[this.#next]?.timestamp ?? Infinity;
  }

  dropOldest(): void {
    this.#next++;
  }

  /** Whether all that is left lies beyond what was read. */
  get exhausted(): boolean {
    return this.#next === this.#events.length && this.#behind > 0;
  }

  /** Reads the next page. False when retention has overtaken it: then what is the newest must be asked anew. */
  async readOn(): Promise<boolean> {
    const page = await this.#engine.readSince(this.#entity, this.#patterns, this.#from, PAGE);
    if (!page.ok) return false;
    this.#from = page.cursor;
    this.#events = page.events;
    this.#next = 0;
    this.#behind = page.behind;
    return true;
  }
}
