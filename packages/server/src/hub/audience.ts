import type { CompiledFilter } from '@millrace/protocol';
import type { Batcher } from './batcher.ts';
import type { Dialect } from './dialect.ts';
import { selects } from './selection.ts';
import type { Subscriber } from './subscriber.ts';
import type { Subscription } from './subscription.ts';

/** Live sessions that get the same bytes. */
export interface Group {
  readonly dialect: Dialect;
  /** Indexes into the audience's filters: an event is for the group when one of them lets it through. Empty: every event is. */
  readonly filters: readonly number[];
  readonly batcher: Batcher | undefined;
  /** Nobody reads its events from the log when a session is slow. */
  readonly kept: boolean;
  readonly members: readonly Subscriber[];
}

/** A subscription that is not live and must look at each event. */
export interface Waiter {
  readonly subscription: Subscription;
  /** Its session gets the event already, through a live subscription. */
  readonly served: boolean;
}

/** Who is to get an event of one topic. */
export interface Audience {
  readonly groups: readonly Group[];
  /** The distinct filters of all groups: each is asked once for each event. */
  readonly filters: readonly CompiledFilter[];
  readonly waiters: readonly Waiter[];
  /** Of the pattern subscriptions that it was made from. */
  readonly patternVersion: number;
}

/** How a session's live subscriptions, taken together, want the events of one topic. */
interface Wish {
  /** Empty: all of them. */
  readonly filters: readonly CompiledFilter[];
  readonly batcher: Batcher | undefined;
  readonly kept: boolean;
}

export interface AudienceSource {
  readonly topic: string;
  /** Subscriptions that match the topic. */
  readonly subscriptions: readonly Iterable<Subscription>[];
  /** Sessions that get its events without one. */
  readonly direct: Iterable<Subscriber>;
  readonly patternVersion: number;
  batcherOf(subscription: Subscription): Batcher | undefined;
  keeps(subscription: Subscription): boolean;
}

const EVERYTHING: Wish = { filters: [], batcher: undefined, kept: false };

/** Gathers the live sessions of a topic by what they get, each once, and the subscriptions that wait. */
export function resolveAudience(source: AudienceSource): Audience {
  const wishes = new Map<Subscriber, Wish>();
  const waiting: Subscription[] = [];
  for (const some of source.subscriptions) {
    for (const subscription of some) {
      if (subscription.state.kind !== 'live') waiting.push(subscription);
      else {
        const { subscriber } = subscription;
        const wish = wishOf(subscription, source);
        const other = wishes.get(subscriber);
        wishes.set(subscriber, other === undefined ? wish : bothWishes(other, wish));
      }
    }
  }
  const waiters = waiting.map((subscription) => ({
    subscription,
    served: wishes.has(subscription.subscriber),
  }));
  for (const subscriber of source.direct) {
    // A subscription that is behind, also one that has not come near the head, brings the topic's events in their order.
    const subscribes = subscriber.subscriptions.some(({ selection }) => selects(selection, source.topic));
    if (!subscribes) wishes.set(subscriber, EVERYTHING);
  }
  return { ...groupsOf(wishes), waiters, patternVersion: source.patternVersion };
}

function wishOf(subscription: Subscription, source: AudienceSource): Wish {
  const { filter } = subscription;
  const batcher = source.batcherOf(subscription);
  const kept = source.keeps(subscription);
  if (filter === undefined && batcher === undefined && !kept) return EVERYTHING;
  return { filters: filter === undefined ? [] : [filter], batcher, kept };
}

/** An event that one of several subscriptions lets through is delivered, once ([SUB-4]). */
function bothWishes(a: Wish, b: Wish): Wish {
  const all = a.filters.length === 0 || b.filters.length === 0;
  const filters = all
    ? []
    : [...a.filters, ...b.filters.filter(({ id }) => a.filters.every((f) => f.id !== id))];
  return { filters, batcher: a.batcher === b.batcher ? a.batcher : undefined, kept: a.kept && b.kept };
}

function groupsOf(wishes: ReadonlyMap<Subscriber, Wish>): Pick<Audience, 'groups' | 'filters'> {
  const filters: CompiledFilter[] = [];
  const filterIndexes = new Map<string, number>();
  const indexOf = (filter: CompiledFilter): number => {
    let index = filterIndexes.get(filter.id);
    if (index === undefined) {
      index = filters.push(filter) - 1;
      filterIndexes.set(filter.id, index);
    }
    return index;
  };
  const batchers = new Map<Batcher | undefined, number>([[undefined, -1]]);
  const groups = new Map<string, Group & { members: Subscriber[] }>();
  for (const [subscriber, wish] of wishes) {
    const { dialect } = subscriber;
    const { batcher, kept } = wish;
    const indexes = wish.filters.length === 0 ? NO_FILTERS : wish.filters.map(indexOf).sort((a, b) => a - b);
    if (!batchers.has(batcher)) batchers.set(batcher, batchers.size);
    const key = `${dialect.index} ${kept} ${batchers.get(batcher)} ${indexes.join()}`;
    const group = groups.get(key);
    if (group !== undefined) group.members.push(subscriber);
    else groups.set(key, { dialect, filters: indexes, batcher, kept, members: [subscriber] });
  }
  return { groups: [...groups.values()], filters };
}

const NO_FILTERS: readonly number[] = [];
