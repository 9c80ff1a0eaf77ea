import type { ReactNode } from 'react';
import './badge.css';

export type Tone = 'neutral' | 'live' | 'good' | 'warn' | 'bad';

/** A state in a word or two; the colour only repeats what the word says. */
export function Badge({ tone, children }: { tone: Tone; children: ReactNode }): ReactNode {
  return (
    <span className="badge" data-tone={tone}>
      <span className="badge-dot" aria-hidden="true" />
      {children}
    </span>
  );
}
