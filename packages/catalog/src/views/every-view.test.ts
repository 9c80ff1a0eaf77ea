import type { MillraceEvent } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createCatalog } from '../catalog.ts';
import type { EventFamily } from '../event-family.ts';
import { builtInFamilies } from '../families/index.ts';
import type { AnyView } from '../view.ts';
import { latestView } from './latest.ts';

const catalog = createCatalog(builtInFamilies);

interface Subject {
  readonly view: AnyView;
  readonly families: readonly EventFamily[];
}

/** Each view, and the families whose topics have it. What no family knows is folded by all of them. */
const SUBJECTS: readonly Subject[] = [
  ...new Set([latestView, ...catalog.families.map(({ view }) => view)]),
].flatMap((view) =>
  view === undefined ? [] : [{ view, families: catalog.families.filter((family) => family.view === view) }],
);

/** A place in JSON data, and what to put there. */
interface Change {
  readonly leaf: number;
  readonly value: string | number | boolean | null;
}

type Draft = Pick<MillraceEvent, 'event' | 'data'> & {
  readonly key?: string | undefined;
  readonly afterMs: number;
};

const value = fc.oneof(
  fc.constantFrom('a', 'b', 'c', 'd'),
  fc.integer({ min: 0, max: 100 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.string({ maxLength: 20 }),
);
const change: fc.Arbitrary<Change> = fc.record({ leaf: fc.nat({ max: 20 }), value });

/** Puts values in the place of leaves, wherever the event's type allows it. */
function changed(event: string, example: unknown, changes: readonly Change[]): unknown {
  let data = example;
  for (const { leaf, value: put } of changes) {
    let at = 0;
    const next = JSON.parse(JSON.stringify(data), (_, old: unknown) =>
      old !== null && typeof old === 'object' ? old : at++ === leaf ? put : old,
    ) as unknown;
    if (catalog.check(event, next) === undefined) data = next;
  }
  return data;
}

function draftsOf({ families }: Subject): fc.Arbitrary<Draft> {
  const types = families.flatMap(({ events }) => events);
  const known = types.map(({ name, example }) =>
    fc.record({
      event: fc.constant(name),
      data: fc.array(change, { maxLength: 6 }).map((changes) => changed(name, example, changes)),
      key: fc.option(fc.constantFrom('k', 'l'), { nil: undefined }),
      afterMs: fc.constantFrom(0, 1, 900, 70_000),
    }),
  );
  // A topic takes whatever is published to it.
  const unknown = fc.record({
    event: fc.constantFrom(
      'something.else',
      ...catalog.families.flatMap(({ events }) => events.map(({ name }) => name)),
    ),
    data: fc.jsonValue({ maxDepth: 2 }),
    key: fc.option(fc.constantFrom('k', 'toString', '__proto__'), { nil: undefined }),
    afterMs: fc.constant(1),
  });
  return known.length === 0
    ? unknown
    : fc.oneof({ weight: 8, arbitrary: fc.oneof(...known) }, { weight: 1, arbitrary: unknown });
}

function eventsOf(drafts: readonly Draft[]): MillraceEvent[] {
  let now = Date.UTC(2026, 10, 20);
  return drafts.map(({ event, data, key, afterMs }, index) => {
    now += afterMs;
    return {
      topic: 'a.b',
      event,
      data,
      ...(key !== undefined && { key }),
      id: `id-${index}`,
      epoch: 'e',
      offset: index + 1,
      timestamp: new Date(now).toISOString(),
    };
  });
}

const stored = <State>(state: State): State => JSON.parse(JSON.stringify(state)) as State;

const fold = (view: AnyView, state: unknown, events: readonly MillraceEvent[]): unknown =>
  // Each state is given away.
  events.reduce((before: unknown, event) => view.fold(before, stored(event)) as unknown, state);

describe.each(SUBJECTS.map((subject) => [subject.view.name, subject] as const))(
  'the view %s',
  (_, subject) => {
    const { view } = subject;
    const drafts = fc.array(draftsOf(subject), { maxLength: 60 });

    test('folds to the same state, whether all at once or on from any state that was stored', () => {
      fc.assert(
        fc.property(drafts, fc.array(fc.nat(), { maxLength: 4 }), (script, cuts) => {
          const events = eventsOf(script);
          const whole = fold(view, view.initial(), events);
          let state: unknown = view.initial();
          let from = 0;
          for (const cut of cuts.map((each) => each % (events.length + 1)).sort((a, b) => a - b)) {
            state = stored(fold(view, state, events.slice(from, cut)));
            from = cut;
          }
          expect(fold(view, state, events.slice(from))).toEqual(whole);
          // What is not JSON is not stored.
          expect(stored(whole)).toEqual(whole);
        }),
        { numRuns: 200 },
      );
    });

    test('changes nothing but the state it was given', () => {
      fc.assert(
        fc.property(drafts, (script) => {
          const events = stored(eventsOf(script));
          const before = stored(events);
          const initial = stored(view.initial());
          events.reduce(
            (state: unknown, event) => view.fold(state, event) as unknown,
            view.initial() as unknown,
          );
          expect(events).toEqual(before);
          expect(view.initial()).toEqual(initial);
        }),
        { numRuns: 50 },
      );
    });

    test('keeps its state bounded, however many things its events speak of', () => {
      const types = subject.families.flatMap(({ events }) => events);
      if (types.length === 0) return;
      let state: unknown = view.initial();
      for (let n = 0; n < 4000; n++) {
        const type = types[n % types.length];
        if (type === undefined) continue;
        const leaves = [0, 1, 2, 3].map((leaf) => ({ leaf, value: `id-${n}` }));
        const data = changed(type.name, type.example, leaves);
        const [event] = eventsOf([{ event: type.name, data, key: `key-${n}`, afterMs: 0 }]);
        if (event !== undefined) state = view.fold(state, { ...event, offset: n + 1 });
      }
      expect(JSON.stringify(state).length).toBeLessThan(1_200_000);
    });
  },
);
