import type { Readable } from 'node:stream';
import type { Outcome } from './outcome.ts';
import type { StreamName } from './output-chunker.ts';

/** In characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** What is to run, without a shell in between. */
export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  /** The working folder; ours when missing. */
  readonly cwd?: string | undefined;
  /** The whole environment; ours when missing. */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/** A command that runs, on pipes or on a terminal. */
export interface Child {
  /** `undefined`: it could not be started, as {@link exited} says. */
  readonly pid: number | undefined;
  /** It leads a process group that nobody else is in, so that a signal can reach everything that it started. */
  readonly ownGroup: boolean;
  readonly outputs: readonly { readonly stream: StreamName; readonly source: Readable }[];
  /** Its own end; what it left behind may still write. */
  readonly exited: Promise<Outcome>;
  /** Writes to its input. Does nothing where that is not ours to write. */
  write(bytes: Uint8Array): void;
  /** Nothing more will be typed. */
  endInput(): void;
  /** Does nothing without a terminal. */
  resize(size: TerminalSize): void;
}
