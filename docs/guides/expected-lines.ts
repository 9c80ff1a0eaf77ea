function matches(expected: string, line: string): boolean {
  const parts = expected.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(line.trimEnd());
}

/**
 * The first of the expected lines that the output lacks: they must come in this order, and others may come between them. `…` stands
 * for anything.
 */
export function findMissingLine(expected: readonly string[], output: string): string | undefined {
  const lines = output.split('\n');
  let next = 0;
  return expected.find((each) => {
    const found = lines.findIndex((line, index) => index >= next && matches(each.trimEnd(), line));
    next = found + 1;
    return found === -1;
  });
}
