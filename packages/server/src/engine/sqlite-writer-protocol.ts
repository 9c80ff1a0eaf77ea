import type { Synchronous } from './sqlite-file.ts';
import type { KeyWindow } from './sqlite-key-sweeper.ts';
import type { Writes } from './sqlite-statements.ts';
import type { SweepOrder } from './sqlite-sweeper.ts';

/** What the engine and its writer thread say to each other. */
export interface WriterOptions {
  readonly path: string;
  readonly synchronous: Synchronous;
  /** Of the data file; 0 for no bound. */
  readonly maxBytes: number;
  readonly keyWindow: KeyWindow;
  /** Rows to delete that an earlier run left behind. */
  readonly sweeps: readonly SweepOrder[];
}

export type WriterRequest =
  /** Answered once the file is open. */
  | { readonly type: 'hello' }
  | {
      readonly type: 'commit';
      /** Counts up with each commit, also over restarts. */
      readonly number: number;
      /** Once a commit fails, later ones of its generation, which build on it, are refused. */
      readonly generation: number;
      /** Wall-clock time, ms. */
      readonly now: number;
      readonly writes: Writes;
      readonly sweeps: readonly SweepOrder[];
    }
  | { readonly type: 'close' };

export type WriterReply =
  | { readonly type: 'hello'; readonly lastCommit: number }
  | { readonly type: 'committed' }
  | { readonly type: 'closed' }
  | {
      readonly type: 'failed';
      /** `full` and `aborted`: nothing was stored. `unknown`: the commit itself failed. */
      readonly outcome: 'full' | 'aborted' | 'unknown';
      readonly message: string;
    };
