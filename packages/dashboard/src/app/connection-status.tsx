import { useConnectionState } from '@millrace/react';
import type { ReactNode } from 'react';
import { Badge } from '../ui/badge.tsx';
import { CONNECTION_WORDS } from './connection-words.ts';

/** Always in sight; a screen reader hears changes. */
export function ConnectionStatus(): ReactNode {
  const state = useConnectionState();
  const { label, tone } = CONNECTION_WORDS[state];
  return (
    <span role="status" data-connection={state}>
      <span className="visually-hidden">Connection: </span>
      <Badge tone={tone}>{label}</Badge>
    </span>
  );
}
