import { encodeSegment, MillraceError } from '@millrace/protocol';
import { SYSTEM_ENTITY } from '../auth/identity.ts';
import type { Engine } from '../engine/engine.ts';
import type { Publisher } from '../session/publisher.ts';
import type { ScopeState } from './scope.ts';

/** A scope of the log: an entity's, or the node's own. */
export interface StoredScope {
  readonly id: string;
  readonly state: ScopeState;
}

const NAMESPACE = 'session-analytics';
const EVENT = 'analytics.saved';

/** Keeps scopes in the log: each on a topic of its own in the {@link SYSTEM_ENTITY}, where the newest event says all. */
export class ScopeStore {
  readonly #publisher: Publisher;
  readonly #engine: Engine;

  constructor({ publisher, engine }: { readonly publisher: Publisher; readonly engine: Engine }) {
    this.#publisher = publisher;
    this.#engine = engine;
  }

  /** The one with this id, and others, at most so many. */
  async load(id: string, limit: number): Promise<StoredScope[]> {
    const heads = await this.#engine.topics(SYSTEM_ENTITY, `${NAMESPACE}.*`, { limit });
    const stored: StoredScope[] = [];
    for (const topic of new Set([topicOf(id), ...heads.map((head) => head.topic)])) {
      const page = await this.#engine.read(SYSTEM_ENTITY, topic, { last: 1 }, { maxEvents: 1 });
      const [newest] = page.ok ? page.events : [];
      // Written by `save`; another version's is left alone, and written over.
      const scope = newest && (JSON.parse(newest.data) as StoredScope);
      if (scope?.state.version === 1) stored.push(scope);
    }
    return stored;
  }

  /** Rejects with the first that could not be stored. */
  async save(scopes: readonly StoredScope[]): Promise<void> {
    const inputs = scopes.map((scope) => ({
      topic: topicOf(scope.id),
      event: EVENT,
      data: JSON.stringify(scope),
    }));
    const outcomes = await this.#publisher.publishInternally(SYSTEM_ENTITY, inputs);
    const failure = outcomes.find((outcome) => outcome instanceof MillraceError);
    if (failure !== undefined) throw failure;
  }
}

function topicOf(id: string): string {
  return `${NAMESPACE}.${encodeSegment(id)}`;
}
