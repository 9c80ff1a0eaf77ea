import { MillraceError } from '@millrace/protocol';
import type { Clock, Timer } from '../clock.ts';
import type { Engine, Following, StoredEvent } from '../engine/engine.ts';
import type { ConsumerKey } from './consumer-key.ts';
import { ConsumerRecord } from './consumer-record.ts';
import { buryDead } from './dead-letters.ts';
import type { DeliveryRules } from './delivery-rules.ts';
import { noteDone, noteSent, noteSentAgain, type Progress, type Stretch, stretchesOf } from './progress.ts';
import type { Reader } from './reader.ts';

export interface KeeperOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly rules: DeliveryRules;
  readonly onError: (error: unknown, doing: string) => void;
}

/** What was sent is noted this long after it was, so that a burst is one write. In ms. */
const GATHER_MS = 100;
/** After a failure, and while a client that must be given something does not read. In ms. */
const RETRY_MS = 1000;
const PAGE = { maxEvents: 256, maxBytes: 64 * 1024 } as const;

/** A session that reads as the consumer. */
interface Attached {
  readonly reader: Reader;
  /** Wall-clock ms. What was due then came with its replay. */
  readonly since: number;
  /** The highest offset it was ever sent. */
  high: number;
  /** What it knows to be acknowledged. */
  acked: number;
  /** Up to here it was asked to confirm. */
  asked: number;
}

/**
 * Keeps one consumer's progress while sessions of this node read as it: notes what they are sent, sends again what they do
 * not acknowledge, and gives up what was sent often enough or is too old.
 *
 * Times are counted from when something was sent to when it is due; what nobody is there to get is not counted. A replay
 * of what was due when its session came is the delivery that was due.
 */
export class Keeper {
  readonly key: ConsumerKey;
  /** Who needs it still; its owner counts them and closes it after the last. */
  holders = 0;
  readonly #options: KeeperOptions;
  readonly #record: ConsumerRecord;
  readonly #attached: Set<Attached> = new Set();
  #following: Following | undefined = undefined;
  readonly #opened: Promise<void>;
  #epoch = '';
  /** The newest offset that is known of. */
  #head = 0;
  /** Sessions that have left since what was sent was noted last. */
  #left: Attached[] = [];
  /** Something may have been sent at this time that is not noted yet. */
  #noticedAt: number | undefined = undefined;
  /** No unacknowledged event is older. */
  #oldestAt: number | undefined = undefined;
  #timer: Timer | undefined = undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #working: Promise<void> | undefined = undefined;
  #ackTo = 0;
  #acking: Promise<unknown> | undefined = undefined;
  #closed = false;

  /** `before`: when what was kept of the consumer before is stored. */
  constructor(key: ConsumerKey, options: KeeperOptions, before: Promise<void> = Promise.resolve()) {
    this.key = key;
    this.#options = options;
    this.#record = new ConsumerRecord(options.engine, key);
    this.#opened = this.#open(before);
    this.#opened.catch(() => {});
  }

  /** Whether anything of the consumer was ever stored. */
  get isStored(): boolean {
    return this.#record.isStored;
  }

  get acked(): number {
    return this.#record.progress.acked;
  }

  /** Events that are not acknowledged, sent or not. */
  get pending(): number {
    return Math.max(0, this.#head - this.acked);
  }

  /** Highest offset that some session of the consumer was sent, as far as this node knows. */
  get sent(): number {
    let sent = this.#record.progress.sent;
    for (const attached of this.#attached) sent = Math.max(sent, this.#reachOf(attached));
    return sent;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /**
   * Resolves when a session may begin after `acked`: what was acknowledged is stored, what is over was given up, what
   * retention removed passed by.
   */
  async begin(): Promise<void> {
    await this.#opened;
    await this.#record.settled();
    if (this.#attached.size === 0) await this.#bury();
  }

  /** The topic was not what it was taken for: resolves with the offset after which a session may begin. */
  async beginAgain(): Promise<number> {
    const { head } = await this.#options.engine.read(this.key.entity, this.key.topic, { last: 0 }, PAGE);
    if (head.epoch !== this.#epoch) await this.#beginAnew(head);
    this.#head = head.offset;
    await this.#bury();
    // An acknowledgement that came after the topic was deleted says nothing of the one that is there now.
    return Math.min(this.acked, head.offset);
  }

  /** Counts a session in, right before it begins to read. `high` is what it was sent before, by another subscription. */
  attach(reader: Reader, high: number): Attachment {
    const since = this.#options.clock.now();
    const attached: Attached = { reader, since, high, acked: this.acked, asked: 0 };
    this.#attached.add(attached);
    return {
      opened: (head) => {
        this.#head = Math.max(this.#head, head);
        this.#notice();
      },
      acknowledge: (offset) => this.#acknowledgeAs(attached, offset),
      high: () => this.#reachOf(attached),
      leave: () => {
        this.#reachOf(attached);
        if (this.#attached.delete(attached)) this.#left.push(attached);
      },
    };
  }

  /** Acknowledges for a client that reads by other means. Rejects with `ack-ahead` beyond what the consumer was sent. */
  async acknowledge(offset: number): Promise<number> {
    await this.#opened;
    if (offset > this.sent) {
      await this.#record.load();
      assertSent(offset, this.sent);
    }
    return this.#acknowledge(offset);
  }

  /** Notes what was sent, and ends. Idempotent; never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    this.#following?.stop();
    try {
      await this.#opened;
      await this.#working;
      await this.#noteSent();
      await this.#record.settled();
    } catch (error) {
      this.#options.onError(error, `noting what was sent of "${this.key.topic}"`);
    }
  }

  async #open(before: Promise<void>): Promise<void> {
    const { engine } = this.#options;
    const { entity, topic } = this.key;
    await before;
    this.#following = await engine.follow(entity, topic, {
      onEvents: (events) => this.#onEvents(events),
      onGap: () => this.#notice(),
    });
    if (this.#closed) this.#following.stop();
    const { head } = await engine.read(entity, topic, { last: 0 }, PAGE);
    this.#epoch = head.epoch;
    this.#head = head.offset;
    await this.#record.load();
  }

  #onEvents(events: readonly StoredEvent[]): void {
    const last = events.at(-1) as StoredEvent;
    if (last.epoch !== this.#epoch) void this.#beginAnew(last);
    this.#head = last.offset;
    this.#oldestAt ??= events[0]?.timestamp;
    this.#notice();
  }

  /** The topic was deleted and written anew: its consumers went with it. */
  async #beginAnew({ epoch }: { readonly epoch: string }): Promise<void> {
    this.#epoch = epoch;
    this.#left = [];
    this.#ackTo = 0;
    for (const attached of this.#attached) {
      attached.high = 0;
      attached.asked = 0;
      attached.acked = 0;
    }
    this.#record.forget();
    await this.#record.load().catch((error: unknown) => this.#options.onError(error, this.#doing()));
  }

  /** Something may have been sent. */
  #notice(): void {
    const now = this.#options.clock.now();
    this.#noticedAt = now;
    this.#wakeAt(now + GATHER_MS);
  }

  #wakeAt(at: number): void {
    if (this.#closed || at >= this.#timerAt) return;
    const { clock } = this.#options;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = clock.after(Math.max(0, at - clock.now()), () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      // Work under way looks at the end what is to be done next.
      this.#working ??= this.#work(clock.now()).finally(() => {
        this.#working = undefined;
      });
    });
  }

  /** Does what is due at `woken`, and then what fell due while that was stored. */
  async #work(woken: number): Promise<void> {
    const { clock, onError } = this.#options;
    try {
      await this.#opened;
      for (let now = woken; !this.#closed; now = clock.now()) {
        await this.#workAt(now);
        const next = this.#nextAfter(now);
        if (next > clock.now()) {
          if (next < Number.POSITIVE_INFINITY) this.#wakeAt(next);
          return;
        }
      }
    } catch (error) {
      onError(error, this.#doing());
      this.#wakeAt(clock.now() + RETRY_MS);
    }
  }

  async #workAt(now: number): Promise<void> {
    await this.#noteSent();
    if (this.#mayBury(now)) await this.#bury();
    await this.#sendAgain(now);
    this.#askToConfirm();
    this.#tellAcked();
  }

  /** When there is something to do after the work that was due at `now`. */
  #nextAfter(now: number): number {
    const retryAt = this.#options.clock.now() + RETRY_MS;
    let next = Number.POSITIVE_INFINITY;
    // What was due and still is, nobody could be given.
    for (const at of [this.#expiresAt(), ...stretchesOf(this.#record.progress).map(({ nextAt }) => nextAt)]) {
      next = Math.min(next, at <= now ? retryAt : at);
    }
    if (this.#noticedAt !== undefined) return Math.min(next, this.#noticedAt + GATHER_MS);
    return this.#isBehind() ? Math.min(next, retryAt) : next;
  }

  /** Some session has yet to be sent what the topic has. */
  #isBehind(): boolean {
    for (const attached of this.#attached) {
      if (attached.reader.sentUpTo() !== undefined && this.#reachOf(attached) < this.#head) return true;
    }
    return false;
  }

  /** Up to which offset a session was ever sent the topic. */
  #reachOf(attached: Attached): number {
    attached.high = Math.max(attached.high, this.#standingOf(attached));
    return attached.high;
  }

  /** Where its subscription stands, which falls back when the session is slow, or subscribes anew; 0 without one. */
  #standingOf({ reader }: Attached): number {
    const position = reader.sentUpTo();
    return position?.epoch === this.#epoch ? position.offset : 0;
  }

  async #noteSent(): Promise<void> {
    const { clock, rules } = this.#options;
    const sentAt = this.#noticedAt ?? clock.now();
    this.#noticedAt = undefined;
    const readers = [...this.#left, ...this.#attached];
    const reaches = readers.map((attached) => this.#reachOf(attached));
    this.#left = [];
    const before = this.#record.progress;
    const after = await this.#record.update((progress) => {
      let next = progress;
      for (const [i, { since }] of readers.entries()) {
        const reach = reaches[i] as number;
        // What was due when it came, came with its replay.
        next = noteSentAgain(next, reach, { dueAt: since, sentAt }, rules);
        next = noteSent(next, reach, sentAt + rules.waitAfter(1));
      }
      return next;
    });
    // A long replay is sent page by page.
    if (after.sent > before.sent && this.#isBehind()) this.#noticedAt = clock.now();
  }

  #expiresAt(): number {
    if (this.#oldestAt === undefined) return Number.POSITIVE_INFINITY;
    const { topic } = this.key;
    const expiresAt = this.#options.rules.expiresAt({ topic, timestamp: this.#oldestAt });
    return expiresAt ?? Number.POSITIVE_INFINITY;
  }

  #mayBury(now: number): boolean {
    const { rules } = this.#options;
    const [first] = stretchesOf(this.#record.progress);
    return this.#expiresAt() <= now || (first !== undefined && rules.isExhausted(first, now));
  }

  async #bury(): Promise<void> {
    const { engine, clock, rules } = this.#options;
    this.#oldestAt = await buryDead(engine, this.#record, rules, () => clock.now());
  }

  async #sendAgain(now: number): Promise<void> {
    const { rules } = this.#options;
    if (!stretchesOf(this.#record.progress).some((stretch) => rules.isDue(stretch, now))) return;
    // Another node may have seen to it, or a session of it acknowledged.
    const progress = await this.#record.load();
    for (const stretch of stretchesOf(progress)) {
      if (!rules.isDue(stretch, now)) continue;
      const upTo = await this.#sendStretchAgain(stretch);
      await this.#record.update((known) => noteSentAgain(known, upTo, { dueAt: now, sentAt: now }, rules));
      if (upTo < stretch.upTo) return;
    }
  }

  /** Gives it to the sessions that were there before it was due; answers up to which offset somebody got it. */
  async #sendStretchAgain({ after, upTo, attempt, nextAt }: Stretch): Promise<number> {
    let from = after;
    const receivers = (): Attached[] =>
      [...this.#attached].filter(
        (each) => each.since < nextAt && this.#standingOf(each) > from && each.reader.hasRoom(),
      );
    while (from < upTo && receivers().length > 0) {
      const events = await this.#read(from, upTo);
      // What retention took meanwhile is passed by; the rest is due still.
      if (events === undefined) {
        await this.#bury();
        break;
      }
      const last = events.at(-1);
      // Some may have left meanwhile, and something may have been acknowledged.
      const there = receivers();
      if (last === undefined || there.length === 0) break;
      let given = from;
      for (const attached of there) {
        const standing = this.#standingOf(attached);
        const own = events.filter(({ offset }) => offset > this.acked && offset <= standing);
        if (own.length > 0) attached.reader.giveAgain(own, attempt + 1);
        given = Math.max(given, Math.min(last.offset, standing));
      }
      from = given;
    }
    return from;
  }

  /** `undefined` when retention has taken some of it. */
  async #read(after: number, upTo: number): Promise<readonly StoredEvent[] | undefined> {
    const { entity, topic } = this.key;
    const from = { after: { epoch: this.#epoch, offset: after } };
    const page = await this.#options.engine.read(entity, topic, from, PAGE);
    return page.ok ? page.events.filter(({ offset }) => offset <= upTo) : undefined;
  }

  #askToConfirm(): void {
    for (const attached of this.#attached) {
      const reach = this.#reachOf(attached);
      if (attached.reader.confirm === undefined || reach <= Math.max(attached.asked, this.acked)) continue;
      attached.asked = reach;
      attached.reader.confirm(({ epoch, offset }) => {
        if (epoch !== this.#epoch) return;
        // The session was slow: what it was not written after all is still to be confirmed.
        if (offset < attached.asked) {
          attached.asked = offset;
          this.#notice();
        }
        if (offset <= this.acked) return;
        this.#acknowledgeAs(attached, offset).catch((error: unknown) =>
          this.#options.onError(error, this.#doing()),
        );
      });
    }
  }

  async #acknowledgeAs(attached: Attached, offset: number): Promise<number> {
    assertSent(offset, this.#reachOf(attached));
    attached.acked = Math.max(attached.acked, offset);
    return this.#acknowledge(offset);
  }

  /** Acknowledgements that come while one is being stored are stored together. */
  async #acknowledge(offset: number): Promise<number> {
    this.#ackTo = Math.max(this.#ackTo, offset);
    if (offset > this.acked) {
      this.#acking ??= this.#record.update((progress) => {
        this.#acking = undefined;
        return noteDone(this.#withReplayed(progress), this.#ackTo);
      });
      await this.#acking;
    }
    this.#tellAcked();
    return this.acked;
  }

  /** Counts replays that were deliveries and are not noted yet: of what is done with nothing more is noted. */
  #withReplayed(progress: Progress): Progress {
    const { clock, rules } = this.#options;
    const sentAt = clock.now();
    return [...this.#left, ...this.#attached].reduce(
      (next, attached) =>
        noteSentAgain(next, this.#reachOf(attached), { dueAt: attached.since, sentAt }, rules),
      progress,
    );
  }

  #tellAcked(): void {
    const { acked } = this;
    for (const attached of this.#attached) {
      if (attached.acked >= acked) continue;
      attached.acked = acked;
      attached.reader.tellAcked(acked);
    }
  }

  #doing(): string {
    return `keeping the consumer "${this.key.name}" of "${this.key.topic}"`;
  }
}

/** A session's part in a keeper. */
export interface Attachment {
  /** It reads; the topic's head was at this offset. */
  opened(head: number): void;
  /** Acknowledges what the session was sent; resolves, once stored, with what the consumer has acknowledged. */
  acknowledge(offset: number): Promise<number>;
  /** Highest offset that the session was sent. */
  high(): number;
  /** Before the session lets its subscription go. */
  leave(): void;
}

function assertSent(offset: number, sent: number): void {
  if (offset <= sent) return;
  throw new MillraceError('ack-ahead', `offset ${offset} was not sent; the last one that was is ${sent}`, {
    details: { sent },
  });
}
