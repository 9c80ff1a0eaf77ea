import type { Cursor, Position } from '@millrace/protocol';
import { matchesPattern } from '@millrace/protocol';
import type { Engine, ReadSinceFrom } from '@millrace/server';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ContractSuite } from './harness.ts';

const TOPICS = ['t.a', 't.b', 't.a.c', 'u.a'];
const PATTERNS = ['*', 't.*', '*.a', 't.a', 'u.*'];
const MAX_EVENTS = 4;

type Step =
  | { readonly do: 'append'; readonly topics: readonly number[]; readonly key: number | undefined }
  | { readonly do: 'delete'; readonly topic: number }
  | { readonly do: 'trim'; readonly topic: number; readonly keep: number }
  | { readonly do: 'note' }
  | { readonly do: 'newest'; readonly count: number; readonly limit: number }
  | { readonly do: 'read'; readonly note: number; readonly limit: number };

const topicIndex = fc.nat(TOPICS.length - 1);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      topics: fc.array(topicIndex, { minLength: 1, maxLength: 3 }),
      key: fc.option(fc.nat(3), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), topic: topicIndex }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('trim' as const),
      topic: topicIndex,
      keep: fc.integer({ min: -1, max: MAX_EVENTS }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('note' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('newest' as const),
      count: fc.nat(12),
      limit: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      note: fc.nat(20),
      limit: fc.integer({ min: 1, max: 6 }),
    }),
  },
);

/** One thing that ever happened, in order. A topic's life ends with its deletion. */
interface Happening {
  readonly topic: string;
  readonly life: number;
  /** 0 for the deletion. */
  readonly offset: number;
  readonly data: string;
}

/** Places that a reader has noted: everything up to `at` had happened. */
interface Note {
  readonly at: number;
  readonly cursor: Cursor;
  readonly places: ReadonlyMap<string, { position: Position; life: number; offset: number }>;
}

/** The log as simply as it can be told: a list of all that ever happened. */
class Model {
  readonly #entity: string;
  readonly #engine: Engine;
  readonly #history: Happening[] = [];
  readonly #lives = new Map<string, { life: number; offset: number; keys: Map<number, number> }>();
  readonly #notes: Note[] = [];
  #count = 0;

  constructor(engine: Engine, entity: string) {
    this.#engine = engine;
    this.#entity = entity;
  }

  async run(step: Step): Promise<void> {
    switch (step.do) {
      case 'append':
        return this.#append(step.topics, step.key);
      case 'delete':
        return this.#delete(TOPICS[step.topic] as string);
      case 'trim':
        return this.#trim(TOPICS[step.topic] as string, step.keep);
      case 'note':
        return this.#note();
      case 'newest':
        return this.#newest(step.count, step.limit);
      case 'read': {
        const note = this.#notes[step.note % Math.max(1, this.#notes.length)];
        if (note !== undefined) await this.#read(note, step.limit);
      }
    }
  }

  async #append(indexes: readonly number[], key: number | undefined): Promise<void> {
    const expected = indexes.map((index) => {
      const topic = TOPICS[index] as string;
      const data = String(++this.#count);
      const state = this.#lives.get(topic) ?? { life: this.#history.length, offset: 0, keys: new Map() };
      this.#lives.set(topic, state);
      const first = key === undefined ? undefined : state.keys.get(key);
      if (first !== undefined) return { topic, data, offset: first, duplicate: true };
      const offset = ++state.offset;
      if (key !== undefined) state.keys.set(key, offset);
      this.#history.push({ topic, life: state.life, offset, data });
      return { topic, data, offset, duplicate: false };
    });
    const results = await this.#engine.append(
      expected.map(({ topic, data }) => ({
        entity: this.#entity,
        topic,
        event: 'x',
        data,
        idempotencyKey: key === undefined ? undefined : String(key),
      })),
    );
    expect(results).toMatchObject(
      expected.map(({ offset, duplicate }) => ({ status: 'stored', duplicate, position: { offset } })),
    );
  }

  async #delete(topic: string): Promise<void> {
    const state = this.#lives.get(topic);
    this.#lives.delete(topic);
    if (state !== undefined) this.#history.push({ topic, life: state.life, offset: 0, data: '' });
    expect(await this.#engine.delete(this.#entity, topic)).toBe(state !== undefined);
  }

  async #trim(topic: string, keep: number): Promise<void> {
    const offset = this.#lives.get(topic)?.offset ?? 0;
    await this.#engine.trim(this.#entity, topic, offset - keep);
    const first = (await this.#engine.head(this.#entity, topic))?.firstOffset ?? 1;
    expect(first).toBeGreaterThan(Math.min(offset, offset - keep));
  }

  async #note(): Promise<void> {
    const places = new Map<string, { position: Position; life: number; offset: number }>();
    for (const topic of TOPICS) {
      const { head } = await this.#engine.read(this.#entity, topic, { earliest: true }, { maxEvents: 1 });
      const state = this.#lives.get(topic);
      expect(head.offset).toBe(state?.offset ?? 0);
      places.set(topic, { position: head, life: state?.life ?? -1, offset: head.offset });
    }
    this.#notes.push({ at: this.#history.length, cursor: await this.#engine.cursor(this.#entity), places });
  }

  async #read(note: Note, limit: number): Promise<void> {
    for (const topic of TOPICS) {
      await this.#compare(
        () => this.#pageTopic(topic, (note.places.get(topic) as { position: Position }).position, limit),
        (firsts) => this.#expectTopic(topic, note, firsts),
      );
    }
    for (const pattern of PATTERNS) {
      await this.#compare(
        () => this.#pageSince(pattern, note.cursor, limit),
        (firsts) => this.#expectSince(pattern, note, firsts),
      );
    }
  }

  async #newest(count: number, limit: number): Promise<void> {
    for (const pattern of PATTERNS) {
      await this.#compare(
        () => this.#pageSince(pattern, { last: count }, limit),
        (firsts) => {
          const kept = this.#history.filter(
            ({ topic, life, offset }) =>
              matchesPattern(pattern, topic) &&
              this.#lives.get(topic)?.life === life &&
              offset >= (firsts.get(topic) ?? 1),
          );
          return [
            kept
              .slice(kept.length - Math.min(count, kept.length))
              .map(({ data }) => data)
              .join(),
          ];
        },
      );
    }
  }

  /** Trimming may run at any time, so what is kept is asked for before and after; when it differs, all is asked again. */
  async #compare(
    actual: () => Promise<string>,
    expected: (firsts: ReadonlyMap<string, number>) => readonly string[],
  ): Promise<void> {
    for (;;) {
      const before = await this.#firsts();
      const answer = await actual();
      const after = await this.#firsts();
      if (JSON.stringify([...before]) !== JSON.stringify([...after])) continue;
      expect(expected(before)).toContain(answer);
      return;
    }
  }

  async #firsts(): Promise<Map<string, number>> {
    const heads = await this.#engine.topics(this.#entity, '*');
    expect(heads.map((head) => head.topic)).toEqual([...this.#lives.keys()].sort());
    return new Map(heads.map((head) => [head.topic, head.firstOffset]));
  }

  #expectTopic(topic: string, note: Note, firsts: ReadonlyMap<string, number>): readonly string[] {
    const place = note.places.get(topic) as { life: number; offset: number };
    const state = this.#lives.get(topic);
    const ended = this.#history.slice(note.at).some((each) => each.topic === topic && each.offset === 0);
    if (ended) return ['epoch'];
    if (state === undefined) return [''];
    if (place.offset + 1 < (firsts.get(topic) ?? 1)) return ['expired'];
    const after = this.#history.filter((each) => each.life === state.life && each.topic === topic);
    return [after.flatMap((each) => (each.offset > place.offset ? [each.data] : [])).join()];
  }

  #expectSince(pattern: string, note: Note, firsts: ReadonlyMap<string, number>): readonly string[] {
    const matching = this.#history.slice(note.at).filter((each) => matchesPattern(pattern, each.topic));
    const failures = new Set<string>();
    for (const { topic, offset } of matching) {
      if (offset === 0) failures.add('epoch');
      else if (offset < (firsts.get(topic) ?? 1)) failures.add('expired');
    }
    if (failures.size > 0) return [...failures];
    return [matching.map((each) => each.data).join()];
  }

  async #pageTopic(topic: string, from: Position, maxEvents: number): Promise<string> {
    const data: string[] = [];
    for (let after = from; ; ) {
      const page = await this.#engine.read(this.#entity, topic, { after }, { maxEvents });
      if (!page.ok) return page.reason;
      data.push(...page.events.map((event) => event.data));
      if (page.behind === 0) return data.join();
      after = page.position;
    }
  }

  async #pageSince(pattern: string, from: ReadSinceFrom, maxEvents: number): Promise<string> {
    const data: string[] = [];
    for (let cursor: ReadSinceFrom = from; ; ) {
      const page = await this.#engine.readSince(this.#entity, [pattern], cursor, { maxEvents });
      if (!page.ok) return page.reason;
      data.push(...page.events.map((event) => event.data));
      if (page.behind === 0) return data.join();
      cursor = page.cursor;
    }
  }
}

export function describeModel(suite: ContractSuite): void {
  describe('any sequence of appends, deletions, trimming and reads', () => {
    // A failure prints the seed and the shortest sequence; MILLRACE_SEED runs it again.
    test('answers as a plain list of all that ever happened does', async () => {
      const { engine } = await suite.open({ retention: () => ({ maxEvents: MAX_EVENTS }) });
      const seed = Number(process.env.MILLRACE_SEED ?? Date.now() % 1_000_000_007);
      let runs = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(anyStep, { maxLength: 40 }), async (steps) => {
          const model = new Model(engine, `entity-${runs++}`);
          for (const step of steps) await model.run(step);
        }),
        { seed, numRuns: 100 },
      );
    });
  });
}
