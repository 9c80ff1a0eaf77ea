import type { ReactNode } from 'react';
import { Badge, type Tone } from '../ui/badge.tsx';
import { outcomeLabel, type RunOutcome } from './run.ts';

export function RunBadge({ outcome }: { outcome: RunOutcome }): ReactNode {
  return <Badge tone={toneOf(outcome)}>{outcomeLabel(outcome)}</Badge>;
}

function toneOf(outcome: RunOutcome): Tone {
  switch (outcome.kind) {
    case 'running':
      return 'live';
    case 'exited':
      return outcome.exitCode === 0 ? 'good' : 'bad';
    case 'signalled':
    case 'stopped':
    case 'failed':
      return 'bad';
  }
}
