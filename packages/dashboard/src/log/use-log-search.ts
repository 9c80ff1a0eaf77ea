import { useEffect, useMemo, useState } from 'react';
import type { LogBuffer } from './log-buffer.ts';
import { LogSearch } from './log-search.ts';

export interface LogSearchState {
  readonly query: string;
  readonly setQuery: (query: string) => void;
  readonly matchCount: number;
  /** Which match the reader is at, from 0; -1 before the first step. */
  readonly at: number;
  /** The line of that match. */
  readonly line: number | undefined;
  /** Goes on to the next match, or back; round at the ends. */
  readonly step: (by: 1 | -1) => void;
}

/** Searching in a log that grows. */
export function useLogSearch(buffer: LogBuffer, version: number): LogSearchState {
  const [query, setQuery] = useState('');
  const [at, setAt] = useState(-1);
  const search = useMemo(() => new LogSearch(query), [query]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `version` says when the buffer has changed.
  const matches = useMemo(
    () => search.update(buffer.lines, buffer.firstOpenIndex, buffer.dropped),
    [search, buffer, version],
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: another query begins anew.
  useEffect(() => setAt(-1), [query]);
  const step = (by: 1 | -1): void => {
    if (matches.length === 0) return;
    setAt((before) =>
      before === -1 && by === -1 ? matches.length - 1 : (before + by + matches.length) % matches.length,
    );
  };
  return { query, setQuery, matchCount: matches.length, at, line: at === -1 ? undefined : matches[at], step };
}
