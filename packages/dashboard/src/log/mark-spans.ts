import type { AnsiSpan } from './ansi.ts';

export interface MarkedSpan extends AnsiSpan {
  /** Part of what is searched for. */
  readonly isMarked: boolean;
}

/** Splits spans where the matches of `query` (lower case, or empty) begin and end. */
export function markSpans(spans: readonly AnsiSpan[], query: string): readonly MarkedSpan[] {
  if (query === '') return spans.map((span) => ({ ...span, isMarked: false }));
  const edges = matchEdges(spans.map(({ text }) => text).join(''), query);
  const marked: MarkedSpan[] = [];
  let position = 0;
  let edge = 0;
  for (const span of spans) {
    let rest = span.text;
    while (rest !== '') {
      while ((edges[edge] ?? Number.POSITIVE_INFINITY) <= position) edge++;
      const length = Math.min(rest.length, (edges[edge] ?? Number.POSITIVE_INFINITY) - position);
      marked.push({ ...span, text: rest.slice(0, length), isMarked: edge % 2 === 1 });
      rest = rest.slice(length);
      position += length;
    }
  }
  return marked;
}

/** Where matches begin and end, in turn: an odd number of edges passed means inside of one. */
function matchEdges(text: string, query: string): readonly number[] {
  const edges: number[] = [];
  const searched = text.toLowerCase();
  for (let at = searched.indexOf(query); at !== -1; at = searched.indexOf(query, at + query.length)) {
    // Matches that touch are one.
    if (edges.at(-1) === at) edges.pop();
    else edges.push(at);
    edges.push(at + query.length);
  }
  return edges;
}
