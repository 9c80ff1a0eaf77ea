import { MillraceError } from '@millrace/protocol';

/**
 * Why a query is refused that has a parameter one letter away from a known one which is not given, such as `topic` for `topics`
 * ([HTTP-6]). Any other that nobody knows is let through: clients, proxies and caches add their own.
 */
export function misspeltParameter(
  given: readonly string[],
  known: readonly string[],
): MillraceError | undefined {
  for (const name of given) {
    if (known.includes(name)) continue;
    const meant = known.find((each) => !given.includes(each) && isOneLetterAway(name, each));
    if (meant === undefined) continue;
    return new MillraceError('bad-message', `query: "${name}" is not known; did you mean "${meant}"?`, {
      details: { path: `/${name}` },
    });
  }
  return undefined;
}

/** One letter more, less or another. */
function isOneLetterAway(a: string, b: string): boolean {
  const shorter = Math.min(a.length, b.length);
  let start = 0;
  while (start < shorter && a[start] === b[start]) start++;
  let end = 0;
  while (end < shorter - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  return Math.max(a.length, b.length) - start - end === 1;
}
