import { MillraceError } from '@millrace/protocol';
import type { ConsumerState, Engine } from '../engine/engine.ts';
import type { ConsumerKey } from './consumer-key.ts';
import { NOT_BEGUN, type Progress } from './progress.ts';

/** Times that somebody else may come between before something must be wrong. */
const MAX_ROUNDS = 100;

/**
 * One consumer's progress as the engine holds it, changed by compare-and-set: other nodes may change it too. What is
 * done to it on this node happens one after the other.
 */
export class ConsumerRecord {
  readonly key: ConsumerKey;
  readonly #engine: Engine;
  #stored: ConsumerState | undefined = undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(engine: Engine, key: ConsumerKey) {
    this.#engine = engine;
    this.key = key;
  }

  /** As it was stored when this node last looked. */
  get progress(): Progress {
    return this.#stored ?? NOT_BEGUN;
  }

  /** Whether anything of it was ever stored. */
  get isStored(): boolean {
    return this.#stored !== undefined;
  }

  /** What was known is of another log: nothing of it counts any more. */
  forget(): void {
    this.#stored = undefined;
  }

  /** Looks again. */
  load(): Promise<Progress> {
    return this.exclusively(() => this.#load());
  }

  /**
   * Stores what `change` makes of the progress; `undefined`, or the same, leaves it. It is asked again when somebody
   * came between. Resolves with what is stored, once it is stored as safely as the topic's events. Rejects with `epoch`
   * when the topic was deleted meanwhile: what was known of it is of another log.
   */
  update(change: (progress: Progress) => Progress | undefined): Promise<Progress> {
    return this.exclusively(() => this.#update(change));
  }

  /** Runs a task while nothing else is done to the record on this node; it gets a way to update it. */
  exclusively<T>(
    task: (update: (change: (progress: Progress) => Progress | undefined) => Promise<Progress>) => Promise<T>,
  ): Promise<T> {
    const run = () => task((change) => this.#update(change));
    const mine = this.#last.then(run, run);
    this.#last = mine.catch(() => {});
    return mine;
  }

  /** Resolves once everything that was asked for so far is done or has failed. */
  async settled(): Promise<void> {
    await this.#last;
  }

  async #load(): Promise<Progress> {
    const { entity, topic, name } = this.key;
    this.#stored = await this.#engine.consumer(entity, topic, name);
    return this.progress;
  }

  async #update(change: (progress: Progress) => Progress | undefined): Promise<Progress> {
    const { entity, topic, name } = this.key;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const { progress } = this;
      const next = change(progress);
      if (next === undefined || next === progress) return progress;
      const version = this.#stored?.version ?? 0;
      const { stored, state } = await this.#engine.setConsumer(entity, topic, name, version, next);
      this.#stored = state;
      if (stored) return this.progress;
      if ((state?.version ?? 0) < version) {
        throw new MillraceError('epoch', `the topic "${topic}" was deleted since; subscribe again`);
      }
    }
    throw new Error(
      `the consumer "${name}" of "${topic}" was changed by others ${MAX_ROUNDS} times in a row`,
    );
  }
}
