/** Delivery priorities, most urgent first. */
export const PRIORITIES = ['critical', 'high', 'normal', 'low'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Any JSON value, as `JSON.parse` gives it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** One immutable record of a topic, as clients see it. */
export interface MillraceEvent<Data = unknown> {
  readonly topic: string;
  /** The event's type name, e.g. `task.progress`. */
  readonly event: string;
  /** Unique in this deployment. */
  readonly id: string;
  /** Contiguous from 1 within (topic, epoch). */
  readonly offset: number;
  readonly epoch: string;
  /** The server's time of storing, ISO 8601 in UTC; never decreases within a topic. */
  readonly timestamp: string;
  readonly data: Data;
  /** Who or what published it, as the publisher says. */
  readonly source?: string;
  /** The record this event is a new state of, for views and conflating consumers. */
  readonly key?: string;
  /** Missing means `normal`. */
  readonly priority?: Priority;
  /** Which delivery of a message that was not acknowledged in time this is, from 2; missing otherwise. */
  readonly attempt?: number;
  /** This event closed its topic: no other follows. */
  readonly sealed?: true;
}

/** What a publisher says of an event; the server adds `id`, `offset`, `epoch` and `timestamp`. */
export interface EventInput<Data = unknown> {
  readonly topic: string;
  readonly event: string;
  readonly data: Data;
  readonly source?: string;
  readonly key?: string;
  readonly priority?: Priority;
  /** A repeat within the topic's window is answered with the first result and stored once. */
  readonly idempotencyKey?: string;
  /** Append only if the topic's head is this offset (or, with an epoch, exactly this position). */
  readonly expectOffset?: number | string;
  /** Append only if the topic has seen no higher token of this lease. */
  readonly fence?: { readonly name: string; readonly token: number };
  /** Close the topic with this event. */
  readonly seal?: boolean;
}

/** What a publisher is told. */
export interface PublishResult {
  readonly topic: string;
  readonly id: string;
  readonly offset: number;
  readonly epoch: string;
  readonly timestamp: string;
  /** The idempotency key was known: this is the first publication's result. */
  readonly duplicate?: true;
}
