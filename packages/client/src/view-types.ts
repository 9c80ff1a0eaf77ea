import type { MillraceError } from '@millrace/protocol';

export interface LiveViewEvents<State> {
  /** The state is another; several events that came together are one change. */
  readonly change: State;
  /** The topic is closed: the state is its last. */
  readonly sealed: { readonly topic: string };
  /** Refused or ended by the server, or the view failed: the state stays as it is. */
  readonly error: MillraceError;
  readonly closed: { readonly topic: string };
}

/**
 * The state of a topic, kept current: the server's snapshot and, from its position on, the same fold here. It is exact
 * across lost connections and restarts of the server.
 *
 * `for await` gives the newest state whenever there is another one than last time: a slow loop skips states, and never
 * falls behind. It ends after the last state of a sealed topic, and throws what `error` tells.
 *
 * A state belongs to its view, which may change it in place: read it, and copy what is to be kept.
 */
export interface LiveView<State> extends AsyncIterable<State> {
  readonly topic: string;
  /** `undefined` until the server has answered. */
  readonly state: State | undefined;
  /** Everything up to it is in the state (`epoch:offset`). */
  readonly position: string | undefined;
  /** The topic is sealed, and the state its last. */
  readonly sealed: boolean;
  readonly closed: boolean;
  /** Calls `listener` for what happens; returns its own undo. */
  on<Name extends keyof LiveViewEvents<State>>(
    name: Name,
    listener: (value: LiveViewEvents<State>[Name]) => void,
  ): () => void;
  /** Ends it. Idempotent. */
  close(): void;
}
