import type { Environment } from './environment.ts';

/** A figure that each measurement of a scenario yields. */
export interface Metric {
  readonly key: string;
  /** With its unit, for the table's head. */
  readonly title: string;
  readonly digits: number;
}

/** One measurement: its figures by metric, and what was wrong with it. */
export interface Outcome {
  readonly figures: Readonly<Record<string, number>>;
  /** Loss, disorder and errors: a run with any of them fails. */
  readonly problems: readonly string[];
}

/** One of the things that a scenario compares. */
export interface Side {
  readonly name: string;
  /** Why it is left out here. */
  missing(environment: Environment): Promise<string | undefined>;
  measure(environment: Environment): Promise<Outcome>;
}

/** A sentence of the kind "at most so many times that": the figure is a side's median, or its ratio to another side. */
export interface Target {
  readonly text: string;
  readonly side: string;
  readonly metric: string;
  /** The other side, measured in the same round. */
  readonly relativeTo?: string;
  readonly atMost?: number;
  readonly atLeast?: number;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  /** Measured in this order in even rounds, and in reverse in odd ones. */
  readonly sides: readonly Side[];
  /** The ratio to this side, in the same round, is a column of its own. */
  readonly relativeTo?: { readonly side: string; readonly metric: string };
  readonly targets: readonly Target[];
}
