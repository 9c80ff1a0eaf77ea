import { hasWildcard, selectsTopic } from '@millrace/protocol';

/** What a subscription selects: one topic by name, or everything that matches one of several patterns. */
export type Selection =
  | { readonly kind: 'topic'; readonly topic: string }
  | { readonly kind: 'patterns'; readonly patterns: readonly string[] };

export function selectionOf(pattern: string): Selection {
  return hasWildcard(pattern) ? { kind: 'patterns', patterns: [pattern] } : { kind: 'topic', topic: pattern };
}

/** As a client names it. */
export function selectionName(selection: Selection): string {
  return selection.kind === 'topic' ? selection.topic : selection.patterns.join(',');
}

export function selects(selection: Selection, topic: string): boolean {
  return selection.kind === 'topic' ? selection.topic === topic : selectsTopic(selection.patterns, topic);
}
