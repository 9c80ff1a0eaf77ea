import { randomBytes } from 'node:crypto';
import {
  type ControlEvents,
  controlTopicOf,
  encodeSegment,
  isTopic,
  MillraceError,
  type Position,
  type PublishResult,
  type Role,
} from '@millrace/protocol';
import { type Identity, SYSTEM_ENTITY } from '../auth/identity.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Engine } from '../engine/engine.ts';
import type { Publisher } from '../session/publisher.ts';
import { type AllowedCommand, type ProcessRequest, resolveCommand } from './allowed-command.ts';
import { Execution } from './execution.ts';
import { LogRecording } from './log-recording.ts';
import { controlNames } from './obey.ts';
import { type JournalEntry, ProcessJournal } from './process-journal.ts';
import { RunningProcess } from './running-process.ts';
import { loadTerminals, type TerminalMaker, TerminalsMissingError } from './terminal-child.ts';
import { startWatchdog } from './watchdog.ts';

/** Of an event, what is not output: names, ids and times. */
const ENVELOPE_BYTES = 512;
/** Of those that have ended, so many are remembered. */
const MAX_ENDED = 100;
/** What a process has to end when the server does. */
const STOPPING_GRACE_MS = 2000;
const STOPPING_MS = 4000;
/** A node that is heard of no more is dead after so long. */
const NODE_LEASE_MS = 30_000;
const LEASE_CHECK_MS = NODE_LEASE_MS / 3;

export interface ProcessesOptions {
  readonly engine: Engine;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly nodeId: string;
  readonly roles: readonly Role[];
  readonly commands: readonly AllowedCommand[];
  readonly graceMs: number;
  /** The largest event. */
  readonly maxEventBytes: number;
  /** In milliseconds; `undefined` for what is no duration. */
  readonly readDuration: (text: string) => number | undefined;
  /** The server's environment. */
  readonly env: NodeJS.ProcessEnv;
  /** Whether a session of this entity is subscribed to this very topic. */
  readonly isFollowed: (entity: string, topic: string) => boolean;
  readonly onError: (error: unknown, doing: string) => void;
}

export interface StartedProcess {
  readonly id: string;
  readonly topic: string;
  readonly position: Position;
}

/**
 * Runs the commands that configuration allows, for those whose role may, and tells what runs (here, or under `millrace run`) what
 * they want of it, over its control topic.
 */
export class Processes {
  readonly #options: ProcessesOptions;
  readonly #journal: ProcessJournal;
  readonly #processes = new Map<string, RunningProcess>();
  readonly #starting = new Map<AllowedCommand, number>();
  /** Of each that runs: until its end is stored and noted. */
  readonly #ending = new Set<Promise<void>>();
  #sweeping: Timer | undefined;
  #closed = false;

  constructor(options: ProcessesOptions) {
    this.#options = options;
    this.#journal = new ProcessJournal(options.engine, options.publisher);
  }

  /** Seals the topics of processes whose server was killed. Call it before anybody subscribes. */
  async start(): Promise<void> {
    await this.#tidy();
  }

  /** Throws a `MillraceError` (`forbidden`) for who may not run commands, nor speak to what runs. */
  assertPermitted({ roles, permissions }: Identity, id: string): void {
    const permitted = roles.some((role) => this.#options.roles.includes(role));
    if (permitted && permissions.mayPublish(topicOf(id))) return;
    throw new MillraceError('forbidden', `commands take the role ${this.#options.roles.join(' or ')}`);
  }

  /** Readable, and unique: `build-3f9a1c2b7d`. */
  newId(command: string): string {
    return `${command.replace(/[^A-Za-z0-9-]+/g, '-').slice(0, 40)}-${randomBytes(5).toString('hex')}`;
  }

  /**
   * Runs a command on behalf of somebody who is permitted to; resolves when its first event is stored. Rejects with a `MillraceError`:
   * `not-found` for a command that is not allowed at all, `forbidden` for what it does not allow, `too-large` for its arguments,
   * `overloaded` when as many run as may, `not-supported` where terminals cannot be had.
   */
  async run({ entityId, userId }: Identity, id: string, request: ProcessRequest): Promise<StartedProcess> {
    const allowed = this.#allowed(entityId, request.command);
    const command = resolveCommand(allowed, request, this.#options.env);
    const timeoutMs = this.#timeoutOf(request);
    const release = this.#reserve(allowed);
    try {
      const maker = request.pty && (await terminals());
      const topic = topicOf(id);
      await this.#journal.started({ id, entity: entityId, topic, node: this.#options.nodeId });
      if (this.#closed) throw new MillraceError('draining', 'the server is shutting down');
      const process = this.#launch(allowed, {
        entityId,
        userId,
        id,
        topic,
        command,
        request,
        timeoutMs,
        maker,
      });
      release();
      await this.#follow(process);
      const { epoch, offset } = await process.first;
      return { id, topic, position: { epoch, offset } };
    } finally {
      release();
    }
  }

  /** Where the life and output of what runs under an id are. Throws a `MillraceError` (`bad-message`) for what is no id. */
  topicOf(id: string): string {
    return topicOf(id);
  }

  /** Those of an entity, the newest first. */
  list(entity: string): readonly RunningProcess[] {
    return [...this.#processes.values()].filter(({ facts }) => facts.entity === entity).reverse();
  }

  find(entity: string, id: string): RunningProcess | undefined {
    const process = this.#processes.get(id);
    return process?.facts.entity === entity ? process : undefined;
  }

  /** Whether something runs under this id here, at another node, or under `millrace run`. */
  async isRunning(entity: string, id: string): Promise<boolean> {
    const own = this.find(entity, id);
    if (own !== undefined) return own.outcome === undefined;
    const { engine, isFollowed } = this.#options;
    if (isFollowed(entity, controlTopicOf(id))) return true;
    const head = await engine.head(entity, topicOf(id));
    return head !== undefined && !head.sealed;
  }

  /** Tells what runs under an id. Rejects with `not-found` where nothing does, `forbidden` for what it does not take. */
  async tell<Name extends keyof ControlEvents>(
    entity: string,
    id: string,
    event: Name,
    data: ControlEvents[Name],
  ): Promise<PublishResult> {
    const rights = this.find(entity, id)?.facts.rights;
    if (rights !== undefined) {
      if (event === 'control.stdin' && !rights.stdin) throw takesNo(id, 'input');
      if (event === 'control.resize' && !rights.resize) throw takesNo(id, 'size: it has no terminal');
    }
    if (!(await this.isRunning(entity, id))) {
      throw new MillraceError('not-found', `nothing runs under the id ${JSON.stringify(id)}`);
    }
    const input = { topic: controlTopicOf(id), event, data: JSON.stringify(data), value: data };
    return this.#options.publisher.publishOneInternally(entity, input);
  }

  /** Ends everything that runs, and waits until that is recorded, but not long. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#sweeping?.cancel();
    const running = [...this.#processes.values()].filter(({ outcome }) => outcome === undefined);
    for (const process of running) process.cancel({ reason: 'server-stopping' }, STOPPING_GRACE_MS);
    const deadline = new Promise<void>((resolve) => {
      this.#options.clock.after(STOPPING_MS, resolve);
    });
    await Promise.race([Promise.all(this.#ending), deadline]);
  }

  #allowed(entity: string, name: string): AllowedCommand {
    const found = this.#options.commands.find((each) => each.name === name && each.entities.includes(entity));
    if (found !== undefined) return found;
    throw new MillraceError('not-found', `the configuration allows no command ${JSON.stringify(name)}`);
  }

  #timeoutOf({ timeout }: ProcessRequest): number | undefined {
    if (timeout === undefined) return undefined;
    const ms = this.#options.readDuration(timeout);
    if (ms !== undefined) return ms;
    throw new MillraceError(
      'bad-message',
      `"/timeout" must be a duration such as 30s, not ${JSON.stringify(timeout)}`,
      {
        details: { path: '/timeout' },
      },
    );
  }

  /** Takes a place among those that may run; returns what gives it back, once it is counted as running. Idempotent, that. */
  #reserve(allowed: AllowedCommand): () => void {
    if (this.#closed) throw new MillraceError('draining', 'the server is shutting down');
    const starting = this.#starting.get(allowed) ?? 0;
    const running = [...this.#processes.values()].filter(
      ({ facts, outcome }) => facts.command === allowed.name && outcome === undefined,
    );
    if (allowed.maxRunning !== undefined && running.length + starting >= allowed.maxRunning) {
      throw new MillraceError(
        'overloaded',
        `"${allowed.name}" runs ${running.length + starting} times already, which is as often as it may`,
      );
    }
    this.#starting.set(allowed, starting + 1);
    let held = true;
    return () => {
      if (held) this.#starting.set(allowed, (this.#starting.get(allowed) ?? 1) - 1);
      held = false;
    };
  }

  #launch(allowed: AllowedCommand, launch: Launch): RunningProcess {
    const { entityId: entity, userId, id, topic, command, request, timeoutMs, maker } = launch;
    const { publisher, clock, onError } = this.#options;
    const rights = { stdin: allowed.stdin || maker !== undefined, resize: maker !== undefined };
    const recording = new LogRecording({
      publisher,
      entity,
      topic,
      executionId: id,
      onFailure: (error) => {
        onError(error, `recording the process ${id}`);
        execution.cancel({ reason: 'cancelled', note: 'it could not be recorded' });
      },
    });
    const execution = new Execution(
      command,
      {
        stdin: rights.stdin ? 'pipe' : 'ignore',
        ownGroup: true,
        terminal: maker && request.pty && { maker, size: request.pty },
        timeoutMs: least(timeoutMs, allowed.timeoutMs),
        graceMs: this.#options.graceMs,
        maxOutputJsonBytes: this.#options.maxEventBytes - ENVELOPE_BYTES,
        about: { name: allowed.name, started_by: userId, control: controlNames(rights) },
      },
      recording,
    );
    const watchdog = startWatchdog({ group: execution.ownGroup, graceMs: this.#options.graceMs });
    const process = new RunningProcess(
      {
        id,
        entity,
        topic,
        command: allowed.name,
        args: request.args ?? [],
        pty: request.pty,
        startedBy: userId,
        startedAt: clock.now(),
        rights,
      },
      execution,
      recording,
    );
    this.#processes.set(id, process);
    const ending = process
      .finished()
      .then(() => this.#ended(id))
      .then(() => {
        watchdog.dismiss();
        this.#ending.delete(ending);
      });
    this.#ending.add(ending);
    return process;
  }

  /** Whoever is told of it afterwards can be sure to be heard: what nobody could stop is not to run. */
  async #follow(process: RunningProcess): Promise<void> {
    try {
      await process.follow(this.#options.engine);
    } catch (error) {
      process.cancel({ reason: 'cancelled', note: 'its control topic could not be followed' });
      throw error;
    }
  }

  async #ended(id: string): Promise<void> {
    const ended = [...this.#processes.values()].filter(({ outcome }) => outcome !== undefined);
    for (const { facts } of ended.slice(0, -MAX_ENDED)) this.#processes.delete(facts.id);
    await this.#journal.ended(id).catch((error: unknown) => {
      if (!this.#closed) this.#options.onError(error, `noting the end of the process ${id}`);
    });
  }

  /** Tells that this node lives, and seals what dead ones have left; again and again where this node may run something. */
  async #tidy(): Promise<void> {
    const { engine, nodeId, clock, commands, onError } = this.#options;
    try {
      if (commands.length > 0)
        await engine.acquireLease(SYSTEM_ENTITY, leaseOf(nodeId), nodeId, NODE_LEASE_MS);
      for (const entry of await this.#journal.open()) {
        if (entry.node === nodeId || (await this.#isAlive(entry.node))) continue;
        await this.#seal(entry);
      }
    } catch (error) {
      if (!this.#closed) onError(error, 'sealing what was left unfinished');
    }
    if (!this.#closed && commands.length > 0)
      this.#sweeping = clock.after(LEASE_CHECK_MS, () => void this.#tidy());
  }

  async #isAlive(node: string): Promise<boolean> {
    return (await this.#options.engine.leaseHolders(SYSTEM_ENTITY, leaseOf(node))).length > 0;
  }

  async #seal({ id, entity, topic }: JournalEntry): Promise<void> {
    const data = {
      execution_id: id,
      error: 'the server was restarted while the command ran; how it ended is not known',
      reason: 'server-restarted',
    };
    const [outcome] = await this.#options.publisher.publishInternally(entity, [
      { topic, event: 'tool.failed', data: JSON.stringify(data), seal: true, idempotencyKey: `${id}-lost` },
    ]);
    // Sealed already: only the note of its end was lost.
    if (outcome instanceof MillraceError && outcome.code !== 'sealed') throw outcome;
    await this.#journal.ended(id);
  }
}

interface Launch {
  readonly entityId: string;
  readonly userId: string;
  readonly id: string;
  readonly topic: string;
  readonly command: ReturnType<typeof resolveCommand>;
  readonly request: ProcessRequest;
  readonly timeoutMs: number | undefined;
  readonly maker: TerminalMaker | undefined;
}

function topicOf(id: string): string {
  const topic = id.isWellFormed() && id !== '' ? `tool.${encodeSegment(id)}` : '';
  if (isTopic(topic)) return topic;
  throw new MillraceError('bad-message', `${JSON.stringify(id)} is no id of an execution`, {
    details: { path: '/id' },
  });
}

function leaseOf(node: string): string {
  return `processes.${node}`;
}

function least(...values: readonly (number | undefined)[]): number | undefined {
  const given = values.filter((value) => value !== undefined);
  return given.length === 0 ? undefined : Math.min(...given);
}

function takesNo(id: string, what: string): MillraceError {
  return new MillraceError('forbidden', `the command under ${JSON.stringify(id)} takes no ${what}`);
}

async function terminals(): Promise<TerminalMaker> {
  try {
    return await loadTerminals();
  } catch (error) {
    if (!(error instanceof TerminalsMissingError)) throw error;
    throw new MillraceError('not-supported', `pty: ${error.message}`, { cause: error });
  }
}
