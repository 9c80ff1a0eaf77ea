import { type Cursor, EVERY_TOPIC, MillraceError } from '@millrace/protocol';
import type { Clock, Timer, Turns } from '../clock.ts';
import { Audience, Follower } from './audience.ts';
import type { Engine, EngineSlot, Following, FollowListener, StoredEvent } from './engine.ts';
import type { CommittedBatch } from './ledger.ts';

export interface LiveFeedOptions {
  readonly slot: EngineSlot;
  /** Where holes are read from. */
  readonly log: Pick<Engine, 'readSince' | 'cursor'>;
  readonly clock: Clock;
  readonly turns: Turns;
  /** Gets what a listener throws, and why a hole could not be read yet. */
  readonly onError: (error: unknown) => void;
}

/** How often the head is compared with what was delivered. */
const TAIL_CHECK_MS = 1000;
const REPAIR_PAGE = { maxEvents: 1000, maxBytes: 4_000_000 };
/** Notifications that may wait while a hole is read; beyond that they are dropped and become part of it. */
const MAX_WAITING = 10_000;

/**
 * The follow side of an engine with one partition. It is told of commits as they happen, and trusts nothing of it:
 * notifications may be lost, late, repeated or out of order. Each says which seq it follows on; what lies between that
 * and the last delivery is read from the log first.
 */
export class LiveFeed {
  readonly #options: LiveFeedOptions;
  readonly #entities = new Map<string, EntityFeed>();
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: LiveFeedOptions) {
    this.#options = options;
  }

  /** Takes note of a commit, and delivers it in a later turn. Costs nothing where nobody follows. */
  notify(batch: CommittedBatch): void {
    this.#entities.get(batch.entity)?.notify(batch);
  }

  async follow(entity: string, pattern: string, listener: FollowListener): Promise<Following> {
    if (this.#closed) throw new MillraceError('unavailable', 'the engine is closed');
    let feed = this.#entities.get(entity);
    if (feed === undefined) {
      feed = new EntityFeed(entity, this.#options);
      this.#entities.set(entity, feed);
      this.#timer ??= this.#options.clock.after(TAIL_CHECK_MS, this.#checkTails);
    }
    const joined = feed;
    const follower = new Follower(pattern, listener);
    const leave = () => {
      joined.leave(follower);
      if (!joined.idle || this.#entities.get(entity) !== joined) return;
      joined.close();
      this.#entities.delete(entity);
    };
    try {
      return { cursor: await joined.join(follower), stop: leave };
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** No listener is called any more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const feed of this.#entities.values()) feed.close();
    this.#entities.clear();
  }

  readonly #checkTails = (): void => {
    this.#timer = undefined;
    if (this.#entities.size === 0) return;
    for (const feed of this.#entities.values()) feed.checkTail();
    this.#timer = this.#options.clock.after(TAIL_CHECK_MS, this.#checkTails);
  };
}

/** One entity's followers, and how far they have come together. */
class EntityFeed {
  readonly #entity: string;
  readonly #options: LiveFeedOptions;
  readonly #audience: Audience;
  /** Where delivery began; set once. */
  readonly #begun: Promise<void>;
  #epoch = '';
  /** Everything up to here was delivered, to all who followed then. */
  #delivered = 0;
  #waiting: CommittedBatch[] = [];
  /**
   * `begin`: the head is being asked for. `idle`: nothing waits. `due`: a turn was asked for. `repair`: a hole is being
   * read, and what arrives waits behind it. `closed`: the end.
   */
  #state: 'begin' | 'idle' | 'due' | 'repair' | 'closed' = 'begin';
  #joining = 0;
  /** The tail was to be checked while something else was going on. */
  #checkDue = false;

  constructor(entity: string, options: LiveFeedOptions) {
    this.#entity = entity;
    this.#options = options;
    this.#audience = new Audience(options.onError);
    this.#begun = this.#begin();
  }

  get idle(): boolean {
    return this.#audience.size === 0 && this.#joining === 0;
  }

  async join(follower: Follower): Promise<Cursor> {
    this.#joining++;
    try {
      await this.#begun;
    } finally {
      this.#joining--;
    }
    if (this.#state === 'closed') throw new MillraceError('unavailable', 'the engine is closed');
    this.#audience.add(follower);
    return this.#cursor();
  }

  leave(follower: Follower): void {
    this.#audience.remove(follower);
  }

  notify(batch: CommittedBatch): void {
    if (this.#state === 'closed') return;
    // What is dropped here is a hole, and found as one.
    if (this.#waiting.length === MAX_WAITING && this.#state !== 'due') this.#waiting = [];
    this.#waiting.push(batch);
    if (this.#state === 'idle') this.#deliverSoon();
  }

  /** Reads on if the log has come further than delivery, and no notification says so. */
  checkTail(): void {
    this.#checkDue = this.#state !== 'idle';
    if (this.#checkDue) return;
    void this.#headSeq().then(
      (head) => {
        if (this.#state === 'idle' && head > this.#delivered) void this.#repair(head);
      },
      (error: unknown) => this.#options.onError(error),
    );
  }

  close(): void {
    this.#state = 'closed';
    this.#waiting = [];
  }

  async #begin(): Promise<void> {
    this.#adopt(await this.#options.log.cursor(this.#entity));
    if (this.#isClosed()) return;
    this.#rest();
  }

  #rest(): void {
    this.#state = 'idle';
    if (this.#waiting.length > 0) this.#deliverSoon();
    else if (this.#checkDue) this.checkTail();
  }

  #deliverSoon(): void {
    this.#state = 'due';
    this.#options.turns.soon(() => {
      if (this.#state === 'due') this.#deliverWaiting();
    });
  }

  /** Delivers what waits, several commits as one batch, up to the first hole. */
  #deliverWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    let events: readonly StoredEvent[] = [];
    let merged: StoredEvent[] | undefined;
    for (let i = 0; i < waiting.length; i++) {
      const batch = waiting[i] as CommittedBatch;
      if (batch.seq <= this.#delivered) continue;
      if (batch.prevSeq > this.#delivered) {
        this.#waiting = waiting.slice(i);
        break;
      }
      const fresh = batch.prevSeq === this.#delivered ? batch.events : this.#undelivered(batch.events);
      this.#delivered = batch.seq;
      if (events.length === 0) {
        events = fresh;
      } else {
        merged ??= [...events];
        for (const event of fresh) merged.push(event);
        events = merged;
      }
    }
    const hole = this.#waiting[0];
    this.#state = hole === undefined ? 'idle' : 'repair';
    if (events.length > 0) this.#audience.deliver(events);
    if (this.#isClosed()) return;
    if (hole !== undefined) void this.#repair(hole.prevSeq);
    else if (this.#checkDue && this.#state === 'idle') this.checkTail();
  }

  /** Reads on from the log until everything up to `target` is delivered, then goes on with what waits. */
  async #repair(target: number): Promise<void> {
    this.#state = 'repair';
    try {
      while (this.#delivered < target && !this.#isClosed()) await this.#repairPage();
    } catch (error) {
      // The log cannot be read now. What waits becomes part of the hole, which the next tail check finds again.
      this.#options.onError(error);
      this.#waiting = [];
    }
    if (!this.#isClosed()) this.#rest();
  }

  async #repairPage(): Promise<void> {
    const page = await this.#options.log.readSince(this.#entity, EVERY_TOPIC, this.#cursor(), REPAIR_PAGE);
    if (this.#isClosed()) return;
    const before = this.#delivered;
    this.#adopt(page.ok ? page.cursor : page.head);
    if (page.ok && this.#delivered <= before) throw new Error('the log ends before what it gave notice of');
    if (!page.ok) this.#audience.gap(page.reason, page.head);
    else if (page.events.length > 0) this.#audience.deliver(page.events);
  }

  #undelivered(events: readonly StoredEvent[]): readonly StoredEvent[] {
    return events.filter((event) => event.seq > this.#delivered);
  }

  async #headSeq(): Promise<number> {
    return (await this.#options.log.cursor(this.#entity))[this.#options.slot]?.seqs[0] ?? 0;
  }

  #adopt(cursor: Cursor): void {
    const part = cursor[this.#options.slot];
    if (part === undefined)
      throw new Error(`the ${this.#options.slot} engine answered with a cursor of another`);
    this.#epoch = part.epoch;
    this.#delivered = part.seqs[0] ?? 0;
  }

  #cursor(): Cursor {
    const part = { epoch: this.#epoch, seqs: [this.#delivered] };
    return this.#options.slot === 'live' ? { live: part } : { durable: part };
  }

  // A function, because the compiler takes the state for settled after an assignment, across `await` too.
  #isClosed(): boolean {
    return this.#state === 'closed';
  }
}
