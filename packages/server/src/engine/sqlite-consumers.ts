import type { ConsumerTable } from './consumers.ts';
import type { ConsumerState } from './engine.ts';
import { failureError } from './sqlite-commit-outcome.ts';
import type { Committer } from './sqlite-committer.ts';

export interface ConsumerUpdate {
  readonly stored: boolean;
  readonly state: ConsumerState | undefined;
}

/** Consumers in memory, each update stored before it is seen. Updates of one consumer take their turns. */
export class DurableConsumers {
  readonly #table: ConsumerTable;
  readonly #committer: Committer;
  /** The last update under way of each consumer. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(table: ConsumerTable, committer: Committer) {
    this.#table = table;
    this.#committer = committer;
  }

  async set(
    entity: string,
    topic: string,
    name: string,
    expectedVersion: number,
    next: Omit<ConsumerState, 'version'>,
  ): Promise<ConsumerUpdate> {
    const id = JSON.stringify([entity, topic, name]);
    const update = async (): Promise<ConsumerUpdate> => {
      const { acked, sent, attempt, nextAt } = next;
      const state = { acked, sent, attempt, nextAt, version: expectedVersion + 1 };
      const outcome = await this.#committer.change(
        () => {
          const current = this.#table.get(entity, topic, name)?.version ?? 0;
          if (current !== expectedVersion) return undefined;
          return {
            writes: { consumer: [entity, topic, name, acked, sent, attempt, nextAt, state.version] },
            apply: () => this.#table.restore(entity, topic, name, state),
          };
        },
        { alone: false },
      );
      if (outcome === 'stored') return { stored: true, state };
      if (outcome === 'nothing') return { stored: false, state: this.#table.get(entity, topic, name) };
      throw failureError(outcome);
    };
    const turn = (this.#turns.get(id) ?? Promise.resolve()).then(update, update);
    this.#turns.set(id, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(id) === turn) this.#turns.delete(id);
    }
  }
}
