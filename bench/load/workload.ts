/** What is published to whom. */
export interface Workload {
  readonly subscribers: number;
  /** Every subscriber follows all of them. A topic's number in a workload of many follows its last dash. */
  readonly topics: readonly string[];
  readonly eventsPerSecond: number;
  /** Events that are published at once. */
  readonly eventsPerBatch: number;
  readonly tls?: boolean;
  /** Bytes of an event's data; some 90 when missing. */
  readonly dataBytes?: number;
  /** Subscribers filter, each tenth of them by another filter, that looks into the data and lets everything through. */
  readonly filtered?: boolean;
  /** Subscribers offer permessage-deflate. */
  readonly deflate?: boolean;
}
