import type { Clock, Turns } from '../clock.ts';
import type { Engine } from '../engine/engine.ts';

/** What the log holds. */
export interface Holdings {
  readonly topics: number;
  /** Kept, not ever published. */
  readonly events: number;
  /** The length of their data as JSON text, in UTF-16 code units. */
  readonly bytes: number;
}

const NOTHING: Holdings = { topics: 0, events: 0, bytes: 0 };

/** Topics that are looked at in one turn of the event loop. */
const PAGE = 1000;

/** How long a count is good, in ms. */
const GOOD_FOR_MS = 5000;

export interface LogCensusOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly turns: Turns;
}

/**
 * Counts what the log holds, when somebody asks: at most every few seconds, however many ask, and in pieces between which
 * the event loop turns. Who asks meanwhile gets the same count.
 */
export class LogCensus {
  readonly #options: LogCensusOptions;
  #entities: ReadonlyMap<string, Holdings> = new Map();
  #total: Holdings = NOTHING;
  #countedMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<void> | undefined = undefined;

  constructor(options: LogCensusOptions) {
    this.#options = options;
  }

  /** Of all entities, the server's own too. Rejects when the log cannot be read. */
  async total(): Promise<Holdings> {
    await this.#count();
    return this.#total;
  }

  async of(entity: string): Promise<Holdings> {
    await this.#count();
    return this.#entities.get(entity) ?? NOTHING;
  }

  #count(): Promise<void> {
    if (this.#options.clock.monotonic() - this.#countedMs < GOOD_FOR_MS) return Promise.resolve();
    this.#underWay ??= this.#countAll().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #countAll(): Promise<void> {
    const { engine, clock } = this.#options;
    const entities = new Map<string, Holdings>();
    let total = NOTHING;
    for (const entity of await engine.entities()) {
      const holdings = await this.#countEntity(entity);
      entities.set(entity, holdings);
      total = sum(total, holdings);
    }
    this.#entities = entities;
    this.#total = total;
    this.#countedMs = clock.monotonic();
  }

  async #countEntity(entity: string): Promise<Holdings> {
    const { engine, turns } = this.#options;
    let counted = NOTHING;
    for (let after = ''; ; ) {
      const heads = await engine.topics(entity, '*', { after, limit: PAGE });
      for (const { position, firstOffset, bytes } of heads) {
        counted = sum(counted, { topics: 1, events: position.offset - firstOffset + 1, bytes });
      }
      await new Promise<void>((resolve) => turns.soon(resolve));
      const last = heads.at(-1);
      if (last === undefined || heads.length < PAGE) return counted;
      after = last.topic;
    }
  }
}

function sum(a: Holdings, b: Holdings): Holdings {
  return { topics: a.topics + b.topics, events: a.events + b.events, bytes: a.bytes + b.bytes };
}
