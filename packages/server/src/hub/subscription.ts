import type { CompiledFilter, Filter } from '@millrace/protocol';
import type { StoredEvent } from '../engine/engine.ts';
import type { Batcher, BatchOption } from './batcher.ts';
import { EventSubject } from './event-subject.ts';
import type { LogReader } from './log-reader.ts';
import type { LogSource } from './log-source.ts';
import { type Selection, selectionName } from './selection.ts';
import type { SlowPolicy, SlowQueue } from './slow-queue.ts';
import type { Subscriber } from './subscriber.ts';

/** What a subscription asks for beside what it selects and where it begins. */
export interface SubscriptionOptions {
  /** Only events that it lets through are delivered. */
  readonly filter?: Filter | undefined;
  /** Live events come in batches. */
  readonly batch?: BatchOption | undefined;
  /** The namespace's policy when missing. */
  readonly slow?: SlowPolicy | undefined;
}

/**
 * Where a subscription gets its events from.
 *
 * `opening`: from nowhere yet, because the snapshot that it begins with is being taken. `reading`: from the log, because it
 * replays or because its session is slow. `joining`: it has read everything up to a place that live delivery has yet to reach,
 * and skips until then. `live`: from the hub, as a member of a group. `held`:
 * its session is slow, and of what comes the newest is kept for it; `read` is where it stood before.
 */
export type SubscriptionState =
  | { readonly kind: 'opening' }
  | { readonly kind: 'reading'; readonly reader: LogReader }
  | { readonly kind: 'joining'; readonly read: LogSource }
  | { readonly kind: 'live'; readonly read: LogSource }
  | { readonly kind: 'held'; readonly read: LogSource; readonly queue: SlowQueue }
  | { readonly kind: 'ended' };

export class Subscription {
  readonly subscriber: Subscriber;
  readonly selection: Selection;
  readonly name: string;
  readonly filter: CompiledFilter | undefined;
  readonly batch: BatchOption | undefined;
  readonly slow: SlowPolicy;
  /** Nobody asked for it: it stands for a topic whose events the session gets anyway, since it became slow. */
  readonly implicit: boolean;
  state: SubscriptionState = { kind: 'opening' };
  /** What gathers its live events, once there were any; the hub's to choose. */
  batcher: Batcher | undefined = undefined;

  constructor(
    subscriber: Subscriber,
    selection: Selection,
    options: {
      filter: CompiledFilter | undefined;
      batch: BatchOption | undefined;
      slow: SlowPolicy;
      implicit: boolean;
    },
  ) {
    this.subscriber = subscriber;
    this.selection = selection;
    this.name = selectionName(selection);
    this.filter = options.filter;
    this.batch = options.batch;
    this.slow = options.slow;
    this.implicit = options.implicit;
  }

  get ended(): boolean {
    return this.state.kind === 'ended';
  }

  get patterns(): readonly string[] {
    return this.selection.kind === 'topic' ? [this.selection.topic] : this.selection.patterns;
  }

  /** Whether its filter lets an event through that was read from the log. */
  passes(event: StoredEvent): boolean {
    return this.filter === undefined || this.filter.matches(new EventSubject(event));
  }

  /**
   * Takes an event that is being handed out while this subscription is not live. True when live delivery has come to
   * what this subscription has not read, so that from this event on it is live.
   */
  offer(event: StoredEvent): boolean {
    switch (this.state.kind) {
      case 'reading':
        this.state.reader.offer(event);
        return false;
      case 'joining':
        return !this.state.read.covers(event);
      default:
        return false;
    }
  }
}
