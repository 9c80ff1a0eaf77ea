import { CODE_TABLE, connectionsTopicOf, MillraceError } from '@millrace/protocol';
import type { Identity } from '../auth/identity.ts';
import type { Clock, Timer, Turns } from '../clock.ts';
import type { EncodedInput, Publisher } from '../session/publisher.ts';
import type { Session } from '../session/session.ts';
import type { SessionEnding } from '../session/session-watch.ts';

export interface SessionLifeOptions {
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly turns: Turns;
  /** Beyond so many that wait for the log, more are left out, and counted. */
  readonly maxWaiting?: number;
  /** The first of a row that could not be stored or had to be left out. */
  readonly onError: (error: unknown, doing: string) => void;
}

interface Waiting {
  readonly entity: string;
  readonly input: EncodedInput;
}

const MAX_WAITING = 50_000;
/** Events of one append: a storm of sessions is told in pieces, between which others have their turn. */
const MAX_BATCH = 250;
/** How long the first waits for others. Nobody waits for it: sessions are opened and closed meanwhile. */
const GATHER_MS = 20;
/** Of a session's subscriptions. */
const MAX_TOPICS = 32;

/**
 * Publishes the life of sessions on `connections.<door>` of their entities ([LIFE-1]): behind their backs, in batches, and with a
 * bound, so that no session is ever opened or closed later because of it.
 */
export class SessionLife {
  /** Events that were left out, because the log was too slow for them or refused them. */
  readonly counters = { dropped: 0 };
  readonly #options: SessionLifeOptions;
  readonly #maxWaiting: number;
  readonly #waiting: Waiting[] = [];
  #timer: Timer | undefined;
  #storing: Promise<void> | undefined;
  #failing = false;

  constructor(options: SessionLifeOptions) {
    this.#options = options;
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING;
  }

  opened({ id, door, connectedAt }: Session, identity: Identity, connectingMs: number): void {
    this.#add(identity.entityId, door, 'connection.connected', {
      connection_id: id,
      user_id: identity.userId,
      door,
      roles: identity.roles,
      connected_at: new Date(connectedAt).toISOString(),
      connecting_ms: Math.round(connectingMs),
    });
  }

  closed(session: Session, { code, reason, identity, topics }: SessionEnding): void {
    // Of who never said who it was nobody is told: there is no entity to tell.
    if (identity === undefined) return;
    const { id, door, connectedAt, messages } = session;
    this.#add(identity.entityId, door, 'connection.disconnected', {
      connection_id: id,
      user_id: identity.userId,
      door,
      duration_ms: Math.max(0, this.#options.clock.now() - connectedAt),
      messages,
      topics: topics.slice(0, MAX_TOPICS),
      code,
      reason: reason ?? meaningOf(code),
    });
  }

  /** Resolves when what waits is stored, or was tried to be. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#storing;
    await this.#storeAll();
  }

  #add(entity: string, door: string, event: string, data: object): void {
    if (this.#waiting.length >= this.#maxWaiting) {
      this.#drop(1, new MillraceError('overloaded', `${this.#maxWaiting} of them wait for the log already`));
      return;
    }
    this.#waiting.push({
      entity,
      input: { topic: connectionsTopicOf(door), event, data: JSON.stringify(data), value: data },
    });
    if (this.#storing !== undefined) return;
    this.#timer ??= this.#options.clock.after(GATHER_MS, () => {
      this.#timer = undefined;
      this.#storing = this.#storeAll().finally(() => {
        this.#storing = undefined;
      });
    });
  }

  async #storeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH);
      for (const [entity, inputs] of byEntity(batch)) await this.#store(entity, inputs);
      await new Promise<void>((resolve) => this.#options.turns.soon(resolve));
    }
  }

  async #store(entity: string, inputs: readonly EncodedInput[]): Promise<void> {
    const outcomes = await this.#options.publisher.publishInternally(entity, inputs);
    const failures = outcomes.filter((outcome) => outcome instanceof MillraceError);
    if (failures.length > 0) this.#drop(failures.length, failures[0]);
    else this.#failing = false;
  }

  #drop(count: number, error: unknown): void {
    this.counters.dropped += count;
    if (!this.#failing) this.#options.onError(error, 'publishing the life of sessions');
    this.#failing = true;
  }
}

function byEntity(waiting: readonly Waiting[]): Map<string, EncodedInput[]> {
  const inputs = new Map<string, EncodedInput[]>();
  for (const { entity, input } of waiting) {
    const own = inputs.get(entity);
    if (own === undefined) inputs.set(entity, [input]);
    else own.push(input);
  }
  return inputs;
}

const BY_PEER: Readonly<Record<number, string>> = {
  1000: 'the client closed it',
  1001: 'the client went away',
  1005: 'the client closed it',
  1006: 'the connection was lost',
};

function meaningOf(code: number): string {
  const own = Object.entries(CODE_TABLE).find(([, { close }]) => close === code);
  return BY_PEER[code] ?? own?.[0] ?? 'the client closed it with a number of its own';
}
