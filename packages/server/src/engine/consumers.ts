import type { ConsumerState } from './engine.ts';

/** What an update stores. A copy, so that nothing the caller does later reaches it. */
export function nextState(
  { acked, sent, runs }: Omit<ConsumerState, 'version'>,
  expectedVersion: number,
): ConsumerState {
  const copies = runs.map(({ upTo, attempt, nextAt }) => ({ upTo, attempt, nextAt }));
  return { acked, sent, runs: copies, version: expectedVersion + 1 };
}

/** How far the consumers of each topic have come. They belong to the topic's log and go with it. */
export class ConsumerTable {
  /** Entity → topic → consumer. */
  readonly #entities = new Map<string, Map<string, Map<string, ConsumerState>>>();

  get(entity: string, topic: string, name: string): ConsumerState | undefined {
    return this.#entities.get(entity)?.get(topic)?.get(name);
  }

  names(entity: string, topic: string): readonly string[] {
    return [...(this.#entities.get(entity)?.get(topic)?.keys() ?? [])];
  }

  /** Stores `next` if the version stored now is `expectedVersion`; says whether it did, and what is stored now. */
  compareAndSet(
    entity: string,
    topic: string,
    name: string,
    expectedVersion: number,
    next: Omit<ConsumerState, 'version'>,
  ): { readonly stored: boolean; readonly state: ConsumerState | undefined } {
    const current = this.get(entity, topic, name);
    if ((current?.version ?? 0) !== expectedVersion) return { stored: false, state: current };
    const state = nextState(next, expectedVersion);
    this.restore(entity, topic, name, state);
    return { stored: true, state };
  }

  restore(entity: string, topic: string, name: string, state: ConsumerState): void {
    const topics = this.#entities.get(entity) ?? new Map<string, Map<string, ConsumerState>>();
    const consumers = topics.get(topic) ?? new Map<string, ConsumerState>();
    consumers.set(name, state);
    topics.set(topic, consumers);
    this.#entities.set(entity, topics);
  }

  remove(entity: string, topic: string): void {
    const topics = this.#entities.get(entity);
    if (topics?.delete(topic) && topics.size === 0) this.#entities.delete(entity);
  }
}
