import { type CodeName, encodeSegment, MillraceError, type Role } from '@millrace/protocol';
import { type Identity, SYSTEM_ENTITY } from '../auth/identity.ts';
import type { Engine, ReadFrom, ReadLimit, ReadResult } from '../engine/engine.ts';
import type { Publisher } from '../session/publisher.ts';

/** What is kept a record of. */
export type AuditedAction =
  | 'disconnect'
  | 'delete-topic'
  | 'revoke'
  | 'broadcast'
  | 'send-to-user'
  | 'send-to-session'
  | 'send-to-channel'
  | 'lift-ban'
  | 'acknowledge-alert'
  | 'run-process'
  | 'type-into-process'
  | 'resize-process'
  | 'signal-process'
  | 'cancel-process';

/** Who acts. */
export interface Actor {
  readonly identity: Identity;
  /** Where the request came from. */
  readonly address: string;
}

/** What is done to what. The target never holds a token. */
export interface AuditedAct {
  readonly action: AuditedAction;
  readonly target: Readonly<Record<string, string>>;
}

/** The data of an event in an entity's audit. */
export interface AuditEntry extends AuditedAct {
  readonly userId: string;
  readonly roles: readonly Role[];
  readonly address: string;
  /** `done`, or the code of the error that it ended with. */
  readonly outcome: 'done' | CodeName;
}

export interface AuditOptions {
  readonly publisher: Publisher;
  readonly engine: Engine;
  /** Gets every entry, also one that cannot be stored. */
  readonly log: (entityId: string, entry: AuditEntry) => void;
  readonly onError: (error: unknown, doing: string) => void;
}

/** Of each field of a target, in UTF-16 code units: an action must not stay off the record by being too long for it. */
const MAX_FIELD_LENGTH = 1000;

/** The topic of an entity's audit, in the {@link SYSTEM_ENTITY}. */
function auditTopic(entityId: string): string {
  return `audit.${encodeSegment(entityId)}`;
}

/**
 * The record of administrative actions: an event each, in a topic for each entity which no client can name. Who lacks
 * the role for an action has done nothing, and leaves a line in the log of requests only: else anybody could fill it.
 */
export class Audit {
  readonly #options: AuditOptions;

  constructor(options: AuditOptions) {
    this.#options = options;
  }

  /**
   * Does something on behalf of an actor who may, and records it with its outcome before resolving or rejecting as `act`
   * does. What cannot be recorded is done all the same (a full disk must not keep a topic from being deleted), and said
   * in the log.
   *
   *     await audit.run(actorOf(request), { action: 'disconnect', target: { connectionId } }, () => session.end(…));
   */
  async run<Result>(
    actor: Actor,
    act: AuditedAct,
    perform: () => Result | Promise<Result>,
  ): Promise<Awaited<Result>> {
    let result: Awaited<Result>;
    try {
      result = await perform();
    } catch (error) {
      await this.#record(actor, act, error instanceof MillraceError ? error.code : 'internal');
      throw error;
    }
    await this.#record(actor, act, 'done');
    return result;
  }

  /** One page of an entity's entries, oldest first. */
  read(entityId: string, from: ReadFrom, limit: ReadLimit): Promise<ReadResult> {
    return this.#options.engine.read(SYSTEM_ENTITY, auditTopic(entityId), from, limit);
  }

  async #record(
    { identity, address }: Actor,
    { action, target }: AuditedAct,
    outcome: AuditEntry['outcome'],
  ): Promise<void> {
    const { entityId, userId, roles } = identity;
    const entry: AuditEntry = { action, userId, roles, address, target: shortened(target), outcome };
    const { log, publisher, onError } = this.#options;
    log(entityId, entry);
    const input = { topic: auditTopic(entityId), event: action, data: JSON.stringify(entry) };
    await publisher
      .publishOneInternally(SYSTEM_ENTITY, input)
      .catch((error: unknown) => onError(error, 'storing an entry of the audit'));
  }
}

function shortened(target: AuditedAct['target']): AuditedAct['target'] {
  const fields = Object.entries(target).map(([name, value]) => {
    const isLong = value.length > MAX_FIELD_LENGTH;
    return [name, isLong ? `${value.slice(0, MAX_FIELD_LENGTH)}… (${value.length} characters)` : value];
  });
  return Object.fromEntries(fields);
}
