import type { MillraceError } from '@millrace/protocol';

/** A loop that has asked for the next value. */
export interface Waiter<Value> {
  readonly resolve: (result: IteratorResult<Value, undefined>) => void;
  readonly reject: (error: MillraceError) => void;
}

export const DONE = { done: true, value: undefined } as const;
