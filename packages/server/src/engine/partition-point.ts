/**
 * The lowest number in [low, high] for which `test` holds, or `high + 1`. `test` must be false up to some number and
 * true from there on.
 */
export function lowestWhere(low: number, high: number, test: (n: number) => boolean): number {
  let below = low - 1;
  let found = high + 1;
  while (found - below > 1) {
    const middle = Math.floor((below + found) / 2);
    if (test(middle)) found = middle;
    else below = middle;
  }
  return found;
}

/** As {@link lowestWhere}, in about 2 log₂(distance of the answer from `high`) tests. */
export function lowestWhereFromEnd(low: number, high: number, test: (n: number) => boolean): number {
  let found = high + 1;
  for (let step = 1; found > low; step *= 2) {
    const probe = Math.max(low, found - step);
    if (!test(probe)) return lowestWhere(probe + 1, found - 1, test);
    found = probe;
  }
  return found;
}

/** As {@link lowestWhere}, in about 2 log₂(distance of the answer from `low`) tests. */
export function lowestWhereFromStart(low: number, high: number, test: (n: number) => boolean): number {
  let below = low - 1;
  for (let step = 1; below < high; step *= 2) {
    const probe = Math.min(high, below + step);
    if (test(probe)) return lowestWhere(below + 1, probe - 1, test);
    below = probe;
  }
  return high + 1;
}
