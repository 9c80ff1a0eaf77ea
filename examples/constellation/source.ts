import type { MillraceEvents } from '@millrace/catalog';

/** One event to publish, as the catalog knows it. */
export type Publication = {
  [Name in keyof MillraceEvents]: {
    readonly topic: string;
    readonly event: Name;
    readonly data: MillraceEvents[Name];
    /** The record that it is a new state of, so that slow readers may be given the newest only. */
    readonly key: string;
    /** Who says it. */
    readonly source: string;
  };
}[keyof MillraceEvents];

/** Something that has something to say at its own pace. */
export interface Source {
  /** From one time to the next, in ms; it may change. */
  readonly intervalMs: number;
  /** What it says at a time (ms since the Unix epoch). */
  speak(nowMs: number): readonly Publication[];
}
