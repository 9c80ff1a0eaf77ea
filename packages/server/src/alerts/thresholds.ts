/**
 * Where a value is wrong, and where it is right again. A rule has `above`, `below` or both; without a bound of its own for
 * being right again, a value is right as soon as it is not wrong.
 */
export interface Thresholds {
  /** Greater values are wrong. */
  readonly above?: number | undefined;
  /** Smaller values are wrong. */
  readonly below?: number | undefined;
  /** After values that were too great, only what is at or below this is right again; at most `above`. */
  readonly resolveBelow?: number | undefined;
  /** After values that were too small, only what is at or above this is right again; at least `below`. */
  readonly resolveAbove?: number | undefined;
}

/** Between the two bounds a value is neither: whatever was, goes on. */
export type Zone = 'wrong' | 'between' | 'right';

export function zoneOf(thresholds: Thresholds, value: number): Zone {
  const { above = Number.POSITIVE_INFINITY, below = Number.NEGATIVE_INFINITY } = thresholds;
  const { resolveBelow = above, resolveAbove = below } = thresholds;
  if (value > above || value < below) return 'wrong';
  return value > resolveBelow || value < resolveAbove ? 'between' : 'right';
}

/** The bound that a wrong value broke. */
export function thresholdOf({ above, below }: Thresholds, value: number): number | undefined {
  return above !== undefined && value > above ? above : below;
}
