import { type ConsumerTable, nextState } from './consumers.ts';
import type { ConsumerRun, ConsumerState } from './engine.ts';
import { failureError } from './sqlite-commit-outcome.ts';
import type { Committer } from './sqlite-committer.ts';
import type { Parameter } from './sqlite-statements.ts';

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
      const state = nextState(next, expectedVersion);
      const outcome = await this.#committer.change(
        () => {
          const current = this.#table.get(entity, topic, name)?.version ?? 0;
          if (current !== expectedVersion) return undefined;
          return {
            writes: { consumer: [entity, topic, name, ...consumerColumns(state)] },
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

/** The columns of a row beside its key. The columns of version 1 are what that version makes of the first run. */
function consumerColumns({ acked, sent, runs, version }: ConsumerState): Parameter[] {
  const { attempt, nextAt } = runs[0] ?? { attempt: 0, nextAt: 0 };
  const triples = runs.map((run) => [run.upTo, run.attempt, run.nextAt]);
  return [acked, sent, attempt, nextAt, version, JSON.stringify(triples)];
}

export interface ConsumerRow {
  readonly entity: string;
  readonly topic: string;
  readonly name: string;
  readonly acked: number;
  readonly sent: number;
  readonly attempt: number;
  readonly next_at: number;
  readonly version: number;
  readonly runs: string | null;
}

export function consumerStateOf(row: ConsumerRow): ConsumerState {
  const { acked, sent, version } = row;
  return { acked, sent, runs: runsOf(row), version };
}

/** Version 1 wrote no runs: all that was sent counts as sent when the oldest was. */
function runsOf({ acked, sent, attempt, next_at: nextAt, runs }: ConsumerRow): readonly ConsumerRun[] {
  if (runs === null) return sent > acked ? [{ upTo: sent, attempt, nextAt }] : [];
  const triples = JSON.parse(runs) as readonly (readonly [number, number, number])[];
  return triples.map(([upTo, times, due]) => ({ upTo, attempt: times, nextAt: due }));
}
