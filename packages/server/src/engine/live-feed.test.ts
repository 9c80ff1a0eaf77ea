import type { Cursor } from '@millrace/protocol';
import { EVERY_TOPIC } from '@millrace/protocol';
import { ManualClock, until } from '@millrace/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { systemTurns } from '../clock.ts';
import type { Engine, FollowListener, ReadSinceResult, StoredEvent } from './engine.ts';
import { type CommittedBatch, Ledger } from './ledger.ts';
import { LiveFeed } from './live-feed.ts';

/** A log whose reads are answered when the test says so. */
class SlowLog implements Pick<Engine, 'readSince' | 'cursor'> {
  readonly #ledger = new Ledger({ slot: 'durable', epoch: 'e', newId: () => 'id' });
  readonly events: StoredEvent[] = [];
  readonly #held: (() => void)[] = [];
  holdsReads = false;
  fault: Error | undefined;
  pageSize = 1000;

  append(...topics: string[]): CommittedBatch {
    const requests = topics.map((topic) => ({
      entity: 'acme',
      topic,
      event: 'x',
      data: String(this.events.length + 1),
    }));
    const [batch] = this.#ledger.plan(requests, 0).commit();
    if (batch === undefined) throw new Error('nothing was committed');
    for (const event of batch.events) this.events.push({ ...event, data: String(event.seq) });
    return { ...batch, events: this.events.slice(-topics.length) };
  }

  async cursor(entity: string): Promise<Cursor> {
    return this.#ledger.cursor(entity);
  }

  async readSince(entity: string, patterns: readonly string[], from: Cursor): Promise<ReadSinceResult> {
    // Inboxes too, which a reader's wildcard leaves out.
    expect(patterns).toEqual(EVERY_TOPIC);
    const seq = from.durable!.seqs[0]!;
    if (this.holdsReads) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (this.fault !== undefined) throw this.fault;
    const after = this.events.filter((event) => event.seq > seq);
    const events = after.slice(0, this.pageSize);
    const behind = after.length - events.length;
    return {
      ok: true,
      events,
      start: from,
      behind,
      cursor: this.#ledger.cursor(entity, behind > 0 ? events.at(-1)!.seq : undefined),
    };
  }

  get reads(): number {
    return this.#held.length;
  }

  answerReads(): void {
    for (const answer of this.#held.splice(0)) answer();
  }
}

function open() {
  const log = new SlowLog();
  const clock = new ManualClock();
  const errors: unknown[] = [];
  const feed = new LiveFeed({
    slot: 'durable',
    log,
    clock,
    turns: systemTurns,
    onError: (error) => errors.push(error),
  });
  return { log, clock, errors, feed };
}

function record(): FollowListener & { seqs: number[]; arrays: (readonly StoredEvent[])[] } {
  const seqs: number[] = [];
  const arrays: (readonly StoredEvent[])[] = [];
  return {
    seqs,
    arrays,
    onEvents: (events) => {
      arrays.push(events);
      seqs.push(...events.map((event) => event.seq));
    },
    onGap: (reason) => {
      throw new Error(`gap: ${reason}`);
    },
  };
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

describe('a live feed', () => {
  test('hands a batch to followers of everything as it is, and merges commits of one turn', async () => {
    const { log, feed } = open();
    const follower = record();
    await feed.follow('acme', '*', follower);
    const batch = log.append('a', 'b');
    feed.notify(batch);
    await until(() => follower.seqs.length === 2);
    expect(follower.arrays[0]).toBe(batch.events);
    for (let n = 0; n < 3; n++) feed.notify(log.append('a'));
    await until(() => follower.seqs.length === 5);
    expect(follower.arrays).toHaveLength(2);
  });

  test('holds back what arrives while a hole is read, and lets newcomers join at the same place', async () => {
    const { log, feed } = open();
    const first = record();
    const second = record();
    await feed.follow('acme', '*', first);
    log.holdsReads = true;
    log.append('a');
    feed.notify(log.append('a'));
    await until(() => log.reads === 1);
    const { cursor } = await feed.follow('acme', 'a', second);
    expect(cursor.durable?.seqs).toEqual([0]);
    feed.notify(log.append('a'));
    expect(first.seqs).toEqual([]);
    log.holdsReads = false;
    log.answerReads();
    feed.notify(log.append('a'));
    await until(() => first.seqs.length >= 4 && second.seqs.length >= 4);
    expect(first.seqs).toEqual(upTo(4));
    expect(second.seqs).toEqual(upTo(4));
  });

  test('reads a hole page by page', async () => {
    const { log, feed } = open();
    const follower = record();
    await feed.follow('acme', '*', follower);
    log.pageSize = 2;
    for (let n = 0; n < 7; n++) log.append('a');
    feed.notify(log.append('a'));
    await until(() => follower.seqs.length >= 8);
    expect(follower.seqs).toEqual(upTo(8));
  });

  test('tries again a second later when the log cannot be read', async () => {
    const { log, clock, errors, feed } = open();
    const follower = record();
    await feed.follow('acme', '*', follower);
    log.fault = new Error('the disk is away');
    log.append('a');
    feed.notify(log.append('a'));
    await until(() => errors.length > 0);
    expect(errors).toEqual([log.fault]);
    log.fault = undefined;
    clock.advance(1000);
    await until(() => follower.seqs.length >= 2);
    feed.notify(log.append('a'));
    await until(() => follower.seqs.length >= 3);
    expect(follower.seqs).toEqual(upTo(3));
  });

  test('calls nobody after it is closed, also when a hole is being read', async () => {
    const { log, feed } = open();
    const follower = record();
    await feed.follow('acme', '*', follower);
    log.holdsReads = true;
    log.append('a');
    feed.notify(log.append('a'));
    await until(() => log.reads === 1);
    feed.close();
    log.answerReads();
    await new Promise(setImmediate);
    expect(follower.seqs).toEqual([]);
    await expect(feed.follow('acme', '*', follower)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('lets a follower join later when the head could not be read at first', async () => {
    const { log, feed } = open();
    const head = log.cursor;
    log.cursor = () => Promise.reject(new Error('the disk is away'));
    const [first, second] = [feed.follow('acme', '*', record()), feed.follow('acme', 'a', record())];
    await expect(first).rejects.toThrow('the disk is away');
    await expect(second).rejects.toThrow('the disk is away');
    log.cursor = head;
    const follower = record();
    await feed.follow('acme', '*', follower);
    feed.notify(log.append('a'));
    await until(() => follower.seqs.length === 1);
  });

  test('asks for no time and keeps nothing once the last follower has left', async () => {
    const { log, clock, feed } = open();
    const following = await feed.follow('acme', '*', record());
    following.stop();
    log.append('a');
    clock.advance(1000);
    let timers = 0;
    const after = clock.after.bind(clock);
    clock.after = (...args) => {
      timers++;
      return after(...args);
    };
    clock.advance(10_000);
    expect(timers).toBe(0);
  });

  // A failure prints the seed and the shortest sequence.
  test('delivers everything once and in order, however notifications are lost, late, repeated and mixed', async () => {
    const fate = fc.record({
      topics: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }),
      delay: fc.nat(4),
      copies: fc.nat(2),
      joins: fc.boolean(),
      readsHeld: fc.boolean(),
      turn: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fate, { maxLength: 30 }),
        fc.integer({ min: 1, max: 5 }),
        async (fates, pageSize) => {
          const { log, clock, feed, errors } = open();
          log.pageSize = pageSize;
          const followers = [{ listener: record(), from: 0 }];
          await feed.follow('acme', '*', followers[0]!.listener);
          const late: { at: number; batch: CommittedBatch }[] = [];
          for (const [step, { topics, delay, copies, joins, readsHeld, turn }] of fates.entries()) {
            log.holdsReads = readsHeld;
            if (!readsHeld) log.answerReads();
            const batch = log.append(...topics);
            for (let copy = 0; copy < copies; copy++) late.push({ at: step + delay * copy, batch });
            for (const { at, batch: due } of late) if (at === step) feed.notify(due);
            if (joins) {
              const listener = record();
              const { cursor } = await feed.follow('acme', '*', listener);
              followers.push({ listener, from: cursor.durable!.seqs[0]! });
            }
            if (turn) await new Promise(setImmediate);
          }
          log.holdsReads = false;
          const total = log.events.length;
          await until(() => {
            log.answerReads();
            clock.advance(1000);
            return followers.every(({ listener, from }) => listener.seqs.length >= total - from);
          });
          for (const { listener, from } of followers) expect(listener.seqs).toEqual(upTo(total).slice(from));
          expect(errors).toEqual([]);
          feed.close();
        },
      ),
      { numRuns: 200 },
    );
  });
});
