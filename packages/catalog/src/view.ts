import type { MillraceEvent } from '@millrace/protocol';

/**
 * How the events of a topic add up to its current state: what a late joiner is given before what happens next.
 *
 * ```ts
 * const count: View<number> = {
 *   name: 'count',
 *   version: 1,
 *   holdsLog: true,
 *   initial: () => 0,
 *   fold: (events) => events + 1,
 * };
 * ```
 */
export interface View<State = unknown> {
  /** What kind of state it is, as clients see it: `task`, `board`, `latest`. */
  readonly name: string;
  /** To be raised when `fold` or the state's shape changes: stored states of another version are not used. */
  readonly version: number;
  /**
   * The state says something of events that retention takes away. The log is then trimmed only behind a stored state; a
   * view that cares for the newest events alone does without.
   */
  readonly holdsLog: boolean;
  /** The state of a topic without events. */
  initial(): State;
  /**
   * The state after one more event, which reads as the newest version of its type. It depends on nothing but its arguments,
   * gives plain JSON, and owns `state`, which it may change and return. The state must stay bounded, to a megabyte or so,
   * however long the log.
   */
  fold(state: State, event: MillraceEvent): State;
}

/** A view whatever its state, as those hold it who only carry states. */
// biome-ignore lint/suspicious/noExplicitAny: a view takes only the states it gave, which no type can say of a mixed list
export type AnyView = View<any>;
