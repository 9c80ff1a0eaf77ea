import type { StoredEvent } from '../engine/engine.ts';
import type { LogReader } from './log-reader.ts';
import type { LogSource } from './log-source.ts';
import { type Selection, selectionName } from './selection.ts';
import type { Subscriber } from './subscriber.ts';

/**
 * Where a subscription gets its events from.
 *
 * `reading`: from the log, because it replays or because its session is slow. `joining`: it has read everything up to
 * a place that live delivery has yet to reach, and skips until then. `live`: from the hub, as a member of a group.
 */
export type SubscriptionState =
  | { readonly kind: 'reading'; readonly reader: LogReader }
  | { readonly kind: 'joining'; readonly read: LogSource }
  | { readonly kind: 'live'; readonly read: LogSource }
  | { readonly kind: 'ended' };

export class Subscription {
  readonly subscriber: Subscriber;
  readonly selection: Selection;
  readonly name: string;
  state: SubscriptionState = { kind: 'ended' };

  constructor(subscriber: Subscriber, selection: Selection) {
    this.subscriber = subscriber;
    this.selection = selection;
    this.name = selectionName(selection);
  }

  /** Takes an event that is being handed out while this subscription is not live. True when it is the session's. */
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
