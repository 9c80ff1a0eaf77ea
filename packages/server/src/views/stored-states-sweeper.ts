import type { Clock, Timer } from '../clock.ts';
import type { Engine } from '../engine/engine.ts';
import type { StoredStates } from './stored-states.ts';

/** How often states are looked for whose topic is gone, in ms: each costs one event of the log. */
const EVERY_MS = 10 * 60_000;

export interface StoredStatesSweeperOptions {
  readonly engine: Engine;
  readonly stored: StoredStates;
  readonly clock: Clock;
  readonly onError: (error: unknown, doing: string) => void;
}

/** Forgets the stored states of topics that retention emptied and the log has forgotten. */
export class StoredStatesSweeper {
  readonly #options: StoredStatesSweeperOptions;
  #timer: Timer;
  #closed = false;

  constructor(options: StoredStatesSweeperOptions) {
    this.#options = options;
    this.#timer = options.clock.after(EVERY_MS, () => void this.#sweep());
  }

  close(): void {
    this.#closed = true;
    this.#timer.cancel();
  }

  readonly #sweep = async (): Promise<void> => {
    const { engine, stored, clock, onError } = this.#options;
    try {
      for await (const page of stored.all()) {
        for (const { entity, topic } of page) {
          if (this.#closed) return;
          if ((await engine.head(entity, topic)) === undefined) await stored.forget(entity, topic);
        }
      }
    } catch (error) {
      onError(error, 'looking for states of topics that are gone');
    }
    if (!this.#closed) this.#timer = clock.after(EVERY_MS, () => void this.#sweep());
  };
}
