/** What a field can be compared with. */
export type FilterScalar = string | number | boolean | null;

/** Conditions on one field, all of which must hold. */
export interface FieldConditions {
  readonly eq?: FilterScalar | undefined;
  readonly ne?: FilterScalar | undefined;
  readonly in?: readonly FilterScalar[] | undefined;
  readonly gt?: number | string | undefined;
  readonly gte?: number | string | undefined;
  readonly lt?: number | string | undefined;
  readonly lte?: number | string | undefined;
  readonly exists?: boolean | undefined;
  readonly prefix?: string | undefined;
}

/** A value, several of which one must be equal, or conditions. */
export type FieldFilter = FilterScalar | readonly FilterScalar[] | FieldConditions;

/**
 * Which events a reader wants. Every entry must hold; there may be 16 conditions. The server evaluates it, and refuses
 * what it cannot read with `bad-message`.
 *
 * ```ts
 * client.topic('transactions.*', { filter: { minAmount: 100, 'data.currency': ['EUR', 'CHF'] } });
 * client.topic('task.*', { filter: { event: { prefix: 'task.' }, 'data.progress': { gte: 50 } } });
 * ```
 */
export interface EventFilter {
  /** Names of events. */
  readonly types?: string | readonly string[] | undefined;
  readonly sources?: string | readonly string[] | undefined;
  /** Least `data.amount`. */
  readonly minAmount?: number | undefined;
  readonly task_id?: FilterScalar | readonly FilterScalar[] | undefined;
  readonly event_type?: string | readonly string[] | undefined;
  readonly status?: FilterScalar | readonly FilterScalar[] | undefined;
  readonly event?: FieldFilter | undefined;
  readonly source?: FieldFilter | undefined;
  readonly key?: FieldFilter | undefined;
  readonly topic?: FieldFilter | undefined;
  readonly priority?: FieldFilter | undefined;
  /** A field of the data, at most eight names deep: `data.task.id`. */
  readonly [path: `data.${string}`]: FieldFilter | undefined;
}
