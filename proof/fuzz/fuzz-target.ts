import { CODE_TABLE, MillraceError } from '@millrace/protocol';

/** A parser of what comes from outside. */
export interface FuzzTarget {
  readonly name: string;
  /** Valid inputs, which mutations begin with. */
  readonly seeds: readonly (string | Buffer)[];
  /** Texts that mean something to it. */
  readonly words?: readonly (string | Buffer)[];
  /** How inputs are made beside changing bytes. */
  readonly shape?: 'json' | 'msgpack';
  /**
   * A parser of inputs, and whatever it must hold to. It may throw a `MillraceError`, which is a refusal; any other throw is a
   * finding. It answers false, too, when it refused. `random` is for what the input leaves open.
   */
  readonly create: (random: () => number) => (input: Buffer) => boolean | Promise<boolean>;
}

/** Whether an error is one of those that clients are told about, and not the server's own failure. */
export function isRefusal(error: unknown): boolean {
  return error instanceof MillraceError && error.code in CODE_TABLE && error.code !== 'internal';
}

/** Fails an input for what it broke. */
export function broke(what: string): never {
  throw new Error(what);
}
