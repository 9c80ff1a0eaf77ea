import type { MillraceEvent } from '@millrace/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bookmark, type BookmarkState, type Ticket } from './bookmark.ts';

const event = (topic: string, offset: number): MillraceEvent => ({
  topic,
  offset,
  event: 'x',
  id: `${topic}${offset}`,
  epoch: 'e',
  timestamp: '',
  data: null,
});

const taken = (bookmark: Bookmark, topic: string, offset: number): Ticket => {
  const ticket = bookmark.take(event(topic, offset));
  if (ticket === undefined) throw new Error(`${topic} ${offset} counts as done`);
  return ticket;
};

test('a place counts once everything before it is done; until then topics tell what is', () => {
  const bookmark = new Bookmark(undefined);
  expect(bookmark.state).toBeUndefined();
  bookmark.mark('c0');
  const a1 = taken(bookmark, 'a', 1);
  const b1 = taken(bookmark, 'b', 1);
  bookmark.mark('c1');
  bookmark.settle(b1);
  expect(bookmark.state).toEqual({ since: 'c0', done: { b: { epoch: 'e', offset: 1 } } });
  expect(bookmark.exact).toBe(false);
  bookmark.settle(a1);
  expect(bookmark.state).toEqual({ since: 'c1', done: {} });
  expect(bookmark.exact).toBe(true);
});

test('what a bookmark says is done is not handled again, and the next epoch is another log', () => {
  const bookmark = new Bookmark({ since: 'c0', done: { a: { epoch: 'e', offset: 2 } } });
  expect(bookmark.take(event('a', 2))).toBeUndefined();
  expect(bookmark.take(event('a', 3))).toBeDefined();
  expect(bookmark.take({ ...event('a', 1), epoch: 'f' })).toBeDefined();
});

const ACTIONS = ['take', 'settle', 'mark', 'save', 'crash'] as const;
type Action = (typeof ACTIONS)[number];

/** A listener that is stopped anywhere, and what a bookmark must know: what was done when it was saved. */
class World {
  readonly log: MillraceEvent[] = [];
  readonly heads = new Map<string, number>();
  #saved: BookmarkState | undefined = { since: '0', done: {} };
  #bookmark = new Bookmark(this.#saved);
  #done = new Map<string, number>();
  #savedDone = new Map<string, number>();
  #next = 0;
  #open: Ticket[] = [];

  constructor(topics: readonly string[]) {
    for (const topic of topics) {
      this.heads.set(topic, (this.heads.get(topic) ?? 0) + 1);
      this.log.push(event(topic, this.heads.get(topic) ?? 0));
    }
  }

  get done(): Map<string, number> {
    return this.#done;
  }

  act(action: Action, number: number): void {
    if (action === 'take') this.#take();
    else if (action === 'settle') this.#settle(number);
    else if (action === 'mark') this.#bookmark.mark(String(this.#next));
    else if (action === 'save') {
      this.#saved = this.#bookmark.state;
      this.#savedDone = new Map(this.#done);
    } else this.#crash();
  }

  #take(): void {
    const next = this.log[this.#next];
    if (next === undefined) return;
    this.#next++;
    const ticket = this.#bookmark.take(next);
    expect(ticket === undefined).toBe(next.offset <= (this.#done.get(next.topic) ?? 0));
    if (ticket !== undefined) this.#open.push(ticket);
  }

  /** Any topic, but its first. */
  #settle(number: number): void {
    const { topic } = this.#open[number % this.#open.length]?.event ?? {};
    const ticket = this.#open.find((each) => each.event.topic === topic);
    if (ticket === undefined) return;
    this.#open = this.#open.filter((each) => each !== ticket);
    expect(ticket.event.offset).toBe((this.#done.get(ticket.event.topic) ?? 0) + 1);
    this.#done.set(ticket.event.topic, ticket.event.offset);
    this.#bookmark.settle(ticket);
  }

  #crash(): void {
    this.#bookmark = new Bookmark(this.#saved);
    this.#done = new Map(this.#savedDone);
    this.#next = Number(this.#saved?.since);
    this.#open = [];
  }
}

test('after any number of restarts every event is handled, in order, and none again that was done when a bookmark was saved', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom(...ACTIONS), fc.nat()), { maxLength: 200 });
  const topics = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 40 });
  fc.assert(
    fc.property(steps, topics, (actions, names) => {
      const world = new World(names);
      for (const [action, number] of actions) world.act(action, number);
      for (const _ of world.log) {
        world.act('take', 0);
        world.act('settle', 0);
      }
      for (const _ of world.log) world.act('settle', 0);
      expect(world.done).toEqual(world.heads);
    }),
    { numRuns: 500 },
  );
});
