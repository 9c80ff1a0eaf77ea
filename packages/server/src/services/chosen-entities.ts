import { isReservedEntity } from '../auth/identity.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Engine } from '../engine/engine.ts';

/** How often it is looked whether there are new entities, in ms. */
const LOOK_MS = 5_000;

export interface ChosenEntitiesOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  /** Ids; `*` is every entity that the log holds topics of, but the server's own. */
  readonly chosen: readonly string[];
  /** The most that `*` finds; more are left alone, and reported once. */
  readonly max: number;
  /** Called once for each. `isNew`: it came into being after the start, so that all of its log is new too. */
  readonly onEntity: (entity: string, isNew: boolean) => Promise<void>;
  readonly onError: (error: unknown, doing: string) => void;
}

/** The entities that a service works for: those that are named, or all that there are and that come. */
export class ChosenEntities {
  readonly #options: ChosenEntitiesOptions;
  readonly #known: Set<string> = new Set();
  #timer: Timer | undefined;
  #full = false;
  #closed = false;

  constructor(options: ChosenEntitiesOptions) {
    this.#options = options;
  }

  /** Resolves when those that there are have been handed on. */
  async start(): Promise<void> {
    const { chosen } = this.#options;
    for (const entity of chosen) if (entity !== '*') await this.#take(entity, false);
    if (!chosen.includes('*')) return;
    await this.#look(false);
    this.#lookLater();
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #lookLater(): void {
    if (this.#closed) return;
    const { clock, onError } = this.#options;
    this.#timer = clock.after(LOOK_MS, () => {
      void this.#look(true)
        .catch((error: unknown) => {
          if (!this.#closed) onError(error, 'looking for entities');
        })
        .then(() => this.#lookLater());
    });
  }

  async #look(isNew: boolean): Promise<void> {
    for (const entity of await this.#options.engine.entities()) {
      if (this.#closed) return;
      if (isReservedEntity(entity) || this.#known.has(entity)) continue;
      if (this.#known.size < this.#options.max) await this.#take(entity, isNew);
      else this.#reportFull();
    }
  }

  async #take(entity: string, isNew: boolean): Promise<void> {
    if (this.#known.has(entity)) return;
    this.#known.add(entity);
    try {
      await this.#options.onEntity(entity, isNew);
    } catch (error) {
      this.#known.delete(entity);
      throw error;
    }
  }

  #reportFull(): void {
    if (this.#full) return;
    this.#full = true;
    const { max, onError } = this.#options;
    onError(
      new Error(`there are more than ${max} entities; the others are left alone`),
      'looking for entities',
    );
  }
}
