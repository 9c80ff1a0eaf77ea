import type { Clock, Timer, Turns } from '../clock.ts';
import type { AppendRequest, AppendResult } from './engine.ts';
import type { CommittedBatch, Ledger, Plan } from './ledger.ts';
import {
  aborted,
  BUSY,
  type ChangeOutcome,
  CLOSED,
  DOWN,
  type FailedResult,
  FULL,
} from './sqlite-commit-outcome.ts';
import { encodePlan, mergeWrites, resetPlanned, type TopicFile } from './sqlite-encoding.ts';
import type { Writes } from './sqlite-statements.ts';
import type { SweepOrder } from './sqlite-sweeper.ts';
import type { WorkerLink } from './sqlite-worker-link.ts';
import type { WriterReply, WriterRequest } from './sqlite-writer-protocol.ts';

/** The writer thread as the committer sees it. */
export type WriterLink = Pick<WorkerLink<WriterRequest, WriterReply>, 'request' | 'terminate'>;

export interface CommitterOptions {
  readonly ledger: Ledger<TopicFile>;
  readonly clock: Clock;
  readonly turns: Turns;
  /** Starts a writer on the file. */
  readonly startWriter: () => WriterLink;
  /** Told in order of commit, once the events are stored. */
  readonly onCommitted: (batch: CommittedBatch) => void;
  /** Told how many events a commit brought to disk. */
  readonly onCommitSize?: ((events: number) => void) | undefined;
  /** Gets failures that no caller hears of. */
  readonly onError: (error: unknown) => void;
}

/** Rows beside events: what to store, and what is true once it is. */
export interface Change {
  readonly writes: Writes;
  readonly sweeps?: readonly SweepOrder[];
  apply(): void;
}

type Item =
  | {
      readonly type: 'append';
      readonly requests: readonly AppendRequest[];
      readonly settle: (results: readonly AppendResult[]) => void;
    }
  /** Alone: it is decided on while no commit is under way, and nothing else commits with it. */
  | {
      readonly type: 'change';
      readonly alone: boolean;
      readonly decide: () => Change | undefined;
      readonly settle: (outcome: ChangeOutcome) => void;
    };

interface Commit {
  /** Of the last commit that was sent, for one that has nothing to store. */
  readonly number: number;
  readonly plan: Plan<TopicFile>;
  readonly items: readonly Item[];
  readonly changes: readonly Change[];
  stored: boolean;
  /** Its callers were told that its outcome is unknown; the ledger waits for the file to tell. */
  lost: boolean;
}

/** Commits under way: while the writer brings one to disk, the next is planned, encoded and sent. */
const MAX_UNDER_WAY = 2;
/** Requests of one commit; a single call may exceed it. More are hardly cheaper apiece, and wait longer. */
const MAX_COMMIT_REQUESTS = 500;
/** Of their data, in UTF-16 code units: the copies that go to the writer's thread take several times as much while a commit is under way. */
const MAX_COMMIT_LENGTH = 1024 * 1024;
/**
 * How long a group that grows with every turn of the event loop is waited for, in ms: on a busy core a commit costs more by itself than
 * a request more in it. (Earned by `npm run soak:llm`.)
 */
const MAX_GATHER_MS = 4;
/** Requests of a group that is not waited for any longer. */
const ENOUGH_REQUESTS = 100;
/** Requests that may wait. Beyond that the disk does not keep up, and to wait longer would help nobody. */
const MAX_WAITING_REQUESTS = 200_000;
const REOPEN_DELAY_MS = 1000;

/**
 * Group commit: what arrives while commits are under way, or turn after turn, goes into the next one. The only owner of the writer thread:
 * it decides what a failure means, and brings ledger and file together again after one.
 */
export class Committer {
  readonly #options: CommitterOptions;
  #writer: WriterLink;
  #waiting: Item[] = [];
  #waitingRequests = 0;
  /** Oldest first. */
  #underWay: Commit[] = [];
  #aloneUnderWay = false;
  #number = 0;
  #generation = 0;
  /**
   * `opening`: a writer is coming up; appends wait. `down`: none came up; appends are refused until a later attempt.
   * `closing`: what waits is still committed.
   */
  #state: 'opening' | 'open' | 'down' | 'closing' | 'closed' = 'opening';
  #scheduled = false;
  /** Since when the first of those that wait does, and how many they were a turn ago. */
  #waitingSinceMs = 0;
  #gathered = 0;
  #reopening: Timer | undefined = undefined;
  #onDrained: (() => void) | undefined = undefined;

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#writer = options.startWriter();
  }

  /** Waits for the first writer. */
  async start(): Promise<void> {
    this.#number = await this.#greet();
    this.#state = 'open';
    this.#schedule();
  }

  append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.resolve(requests.map(() => refusal));
    this.#waitingRequests += requests.length;
    return new Promise((settle) => this.#add({ type: 'append', requests, settle }));
  }

  /** Stores rows beside events. `decide` runs when its turn in the order of commits has come. */
  change(decide: () => Change | undefined, { alone }: { alone: boolean }): Promise<ChangeOutcome> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.resolve(refusal);
    return new Promise((settle) => this.#add({ type: 'change', alone, decide, settle }));
  }

  /** Commits what waits; nothing more is taken. */
  async drain(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    if (this.#waiting.length === 0 && this.#underWay.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#onDrained = resolve;
      this.#schedule();
    });
  }

  /** Ends the writer; {@link drain} comes first. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#reopening?.cancel();
    this.#refuseWaiting(CLOSED);
    await this.#writer.request({ type: 'close' }).catch(() => {});
    await this.#writer.terminate();
  }

  #refusal(): FailedResult | undefined {
    switch (this.#state) {
      case 'down':
        return DOWN;
      case 'closing':
      case 'closed':
        return CLOSED;
      default:
        return this.#waitingRequests >= MAX_WAITING_REQUESTS ? BUSY : undefined;
    }
  }

  #add(item: Item): void {
    if (this.#waiting.length === 0) this.#waitingSinceMs = this.#options.clock.monotonic();
    this.#waiting.push(item);
    this.#schedule();
  }

  /** In a later turn, so that everything which this one brings shares a commit. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#gathered = this.#waitingRequests;
    this.#options.turns.soon(this.#gather);
  }

  readonly #gather = (): void => {
    const { clock, turns } = this.#options;
    const isGrowing = this.#waitingRequests > this.#gathered && this.#waitingRequests < ENOUGH_REQUESTS;
    if (isGrowing && clock.monotonic() - this.#waitingSinceMs < MAX_GATHER_MS) {
      this.#gathered = this.#waitingRequests;
      turns.soon(this.#gather);
      return;
    }
    this.#scheduled = false;
    this.#pump();
  };

  #pump(): void {
    if (this.#state !== 'open' && this.#state !== 'closing') return;
    while (this.#waiting.length > 0 && this.#underWay.length < MAX_UNDER_WAY && !this.#aloneUnderWay) {
      const first = this.#waiting[0] as Item;
      const alone = first.type === 'change' && first.alone;
      if (alone && this.#underWay.length > 0) return;
      this.#aloneUnderWay = alone;
      this.#send(alone ? this.#take(1) : this.#takeGroup());
    }
    if (this.#waiting.length === 0 && this.#underWay.length === 0) this.#onDrained?.();
  }

  #takeGroup(): Item[] {
    let count = 0;
    let requests = 0;
    let length = 0;
    for (const item of this.#waiting) {
      if (item.type === 'change' && item.alone) break;
      if (requests >= MAX_COMMIT_REQUESTS || length >= MAX_COMMIT_LENGTH) break;
      if (item.type === 'append') {
        requests += item.requests.length;
        for (const { data } of item.requests) length += data.length;
      }
      count++;
    }
    return this.#take(count);
  }

  #take(count: number): Item[] {
    if (count < this.#waiting.length) {
      const taken = this.#waiting.splice(0, count);
      for (const item of taken) if (item.type === 'append') this.#waitingRequests -= item.requests.length;
      return taken;
    }
    const taken = this.#waiting;
    this.#waiting = [];
    this.#waitingRequests = 0;
    return taken;
  }

  #send(taken: readonly Item[]): void {
    const { ledger, clock } = this.#options;
    const items: Item[] = [];
    const requests: AppendRequest[] = [];
    const changes: Change[] = [];
    for (const item of taken) {
      if (item.type === 'append') {
        for (const request of item.requests) requests.push(request);
      } else {
        const change = item.decide();
        if (change === undefined) {
          item.settle('nothing');
          continue;
        }
        changes.push(change);
      }
      items.push(item);
    }
    const now = clock.now();
    const plan = ledger.plan(requests, now);
    const writes = encodePlan(plan);
    for (const change of changes) mergeWrites(writes, change.writes);
    const empty = plan.events.length === 0 && changes.length === 0;
    const number = empty ? this.#number : ++this.#number;
    const commit: Commit = { number, plan, items, changes, stored: empty, lost: false };
    this.#underWay.push(commit);
    if (empty) {
      this.#settleStored();
      return;
    }
    const sweeps = changes.flatMap((change) => change.sweeps ?? []);
    const generation = this.#generation;
    const writer = this.#writer;
    writer.request({ type: 'commit', number, generation, now, writes, sweeps }).then(
      (reply) => this.#answered(commit, reply),
      (error: Error) => {
        if (writer === this.#writer) void this.#recover(error);
      },
    );
  }

  #answered(commit: Commit, reply: WriterReply): void {
    // One that was given up together with an earlier one.
    if (!this.#underWay.includes(commit) || commit.lost) return;
    if (reply.type === 'committed') {
      commit.stored = true;
      this.#settleStored();
    } else if (reply.type === 'failed' && reply.outcome === 'unknown') {
      void this.#recover(new Error(reply.message));
    } else if (reply.type === 'failed') {
      if (reply.outcome === 'aborted') this.#options.onError(new Error(reply.message));
      this.#giveUp(reply.outcome === 'full' ? FULL : aborted(reply.message));
    }
  }

  /** Publishes every commit that is stored and follows on stored ones. */
  #settleStored(): void {
    for (;;) {
      const commit = this.#underWay[0];
      if (commit === undefined || !commit.stored) break;
      this.#underWay.shift();
      this.#publish(commit);
      const { results } = commit.plan;
      let at = 0;
      for (const item of commit.items) {
        if (item.type === 'append') {
          const end = at + item.requests.length;
          item.settle(results.slice(at, end));
          at = end;
        } else {
          item.settle('stored');
        }
      }
    }
    this.#schedule();
  }

  #publish(commit: Commit): void {
    this.#aloneUnderWay = false;
    const { onCommitted, onCommitSize } = this.#options;
    const { length } = commit.plan.events;
    if (length > 0) onCommitSize?.(length);
    for (const batch of commit.plan.commit()) onCommitted(batch);
    for (const change of commit.changes) change.apply();
  }

  /** Nothing that is under way was stored. */
  #giveUp(result: FailedResult): void {
    this.#generation++;
    const commits = this.#rollBack();
    for (const { items } of commits) tell(items, result);
    this.#schedule();
  }

  #rollBack(): Commit[] {
    const commits = this.#underWay;
    this.#underWay = [];
    this.#aloneUnderWay = false;
    commits[0]?.plan.rollback();
    for (const { plan } of commits) resetPlanned(plan);
    return commits;
  }

  /** The outcome of what is under way is lost. Says so, then asks the file. */
  async #recover(cause: Error): Promise<void> {
    const closing = this.#state === 'closing';
    // All that were under way fail together, and the first of them sees to the others.
    if (this.#state !== 'open' && !closing) return;
    this.#state = 'opening';
    this.#options.onError(cause);
    for (const commit of this.#underWay) {
      commit.lost = true;
      tell(commit.items, { status: 'unknown', message: `The commit was interrupted: ${cause.message}` });
    }
    await this.#reopen();
    if (closing) this.#finishClosing();
  }

  async #reopen(): Promise<void> {
    try {
      // Two writers would be in each other's way.
      await this.#writer.terminate();
      if (this.#isClosed()) return;
      this.#writer = this.#options.startWriter();
      this.#reconcile(await this.#greet());
      if (this.#isClosed()) return;
      this.#state = 'open';
      this.#schedule();
    } catch (error) {
      if (this.#isClosed()) return;
      this.#options.onError(error);
      this.#state = 'down';
      this.#refuseWaiting(DOWN);
      this.#reopening = this.#options.clock.after(REOPEN_DELAY_MS, () => void this.#reopen());
    }
  }

  #reconcile(lastCommit: number): void {
    while (this.#underWay[0] !== undefined && this.#underWay[0].number <= lastCommit) {
      this.#publish(this.#underWay.shift() as Commit);
    }
    this.#rollBack();
    this.#generation++;
  }

  #finishClosing(): void {
    this.#refuseWaiting(CLOSED);
    this.#onDrained?.();
  }

  #refuseWaiting(result: FailedResult): void {
    tell(this.#take(this.#waiting.length), result);
  }

  /** The number of the file's last commit, once the writer has it open. */
  async #greet(): Promise<number> {
    const reply = await this.#writer.request({ type: 'hello' });
    if (reply.type !== 'hello') throw new Error(`the writer answered ${reply.type}`);
    return reply.lastCommit;
  }

  // A function, because the compiler takes the state for settled after an assignment, across `await` too.
  #isClosed(): boolean {
    return this.#state === 'closed';
  }
}

function tell(items: readonly Item[], result: FailedResult): void {
  for (const item of items) {
    if (item.type === 'append') item.settle(item.requests.map(() => result));
    else item.settle(result);
  }
}
