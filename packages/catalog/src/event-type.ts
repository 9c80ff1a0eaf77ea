import type Type from 'typebox';

/** What a kind of event looked like in an earlier version. */
export interface EarlierVersion<Next = unknown> {
  /** It must tell that version from all later ones: an event is read as the newest version whose schema it meets. */
  readonly data: Type.TSchema;
  /** The data, which meets the schema, as the next version has it. Depends on nothing but its argument. */
  upcast(data: unknown): Next;
}

/** A kind of event: its name, and what its data looks like. */
export interface EventType<Name extends string = string, Data extends Type.TSchema = Type.TSchema> {
  readonly name: Name;
  /** One or two sentences for whoever reads the documentation: what happened, and when it is published. */
  readonly description: string;
  /** Fields that it does not name are allowed. */
  readonly data: Data;
  /** Meets the schema. */
  readonly example: unknown;
  /** Newest first; each upcasts to the one before it in this list, the first to `data`. */
  readonly earlier: readonly EarlierVersion[];
}

/**
 * Declares a kind of event.
 *
 * ```ts
 * const shipped = eventType({
 *   name: 'order.shipped',
 *   description: 'An order left the house.',
 *   data: Type.Object({ order_id: Type.String(), parcels: Type.Integer({ minimum: 1 }) }),
 *   example: { order_id: '17', parcels: 2 },
 * });
 * ```
 */
export function eventType<const Name extends string, Data extends Type.TSchema>(definition: {
  readonly name: Name;
  readonly description: string;
  readonly data: Data;
  readonly example: Type.Static<Data>;
  readonly earlier?: readonly [] | readonly [EarlierVersion<Type.Static<Data>>, ...EarlierVersion[]];
}): EventType<Name, Data> {
  return { earlier: [], ...definition };
}

/** Declares how an event looked before, with the types of its schema. */
export function earlier<Data extends Type.TSchema, Next>(version: {
  readonly data: Data;
  upcast(data: Type.Static<Data>): Next;
}): EarlierVersion<Next> {
  return version;
}
