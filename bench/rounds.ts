import type { Environment } from './environment.ts';
import type { Outcome, Scenario, Side } from './scenario.ts';
import { type Spread, spreadOf } from './statistics.ts';

export interface ScenarioResult {
  readonly scenario: Scenario;
  /** By side, one entry a round. */
  readonly outcomes: ReadonlyMap<string, readonly Outcome[]>;
  readonly skipped: ReadonlyMap<string, string>;
  readonly problems: readonly string[];
}

/** Measures all sides in turn, the order reversed each round, so that a drifting machine favours nobody. */
export async function runRounds(
  scenario: Scenario,
  environment: Environment,
  onMeasured: (side: Side, round: number, outcome: Outcome) => void,
): Promise<ScenarioResult> {
  const skipped = new Map<string, string>();
  const sides: Side[] = [];
  for (const side of scenario.sides) {
    const missing = await side.missing(environment);
    if (missing === undefined) sides.push(side);
    else skipped.set(side.name, missing);
  }
  const outcomes = new Map<string, Outcome[]>(sides.map(({ name }) => [name, []]));
  const problems: string[] = [];
  for (let round = 0; round < environment.rounds; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      const outcome = await side.measure(environment);
      outcomes.get(side.name)?.push(outcome);
      for (const problem of outcome.problems) problems.push(`${side.name}, round ${round + 1}: ${problem}`);
      onMeasured(side, round, outcome);
    }
  }
  return { scenario, outcomes, skipped, problems };
}

/** A metric of one side over all rounds. */
export function figureOf(result: ScenarioResult, side: string, metric: string): Spread | undefined {
  return spreadOf((result.outcomes.get(side) ?? []).map(({ figures }) => figures[metric] ?? Number.NaN));
}

/** A metric of one side over another's, round by round. */
export function ratioOf(
  result: ScenarioResult,
  side: string,
  other: string,
  metric: string,
): Spread | undefined {
  const others = result.outcomes.get(other);
  if (others === undefined) return undefined;
  const ratios = (result.outcomes.get(side) ?? []).map(
    ({ figures }, round) => (figures[metric] ?? Number.NaN) / (others[round]?.figures[metric] ?? Number.NaN),
  );
  return spreadOf(ratios);
}
