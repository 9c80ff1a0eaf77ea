import { type ReactNode, useEffect, useState } from 'react';
import { CloseIcon } from '../ui/icons.tsx';

const REALLY_MS = 4000;

/** Asks once more in its own place. */
export function CancelButton({ onCancel }: { onCancel: () => void }): ReactNode {
  const [state, setState] = useState<'idle' | 'asking' | 'sent'>('idle');
  useEffect(() => {
    if (state !== 'asking') return undefined;
    const timer = setTimeout(() => setState('idle'), REALLY_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const onClick = (): void => {
    setState(state === 'idle' ? 'asking' : 'sent');
    if (state === 'asking') onCancel();
  };
  return (
    <button
      type="button"
      className={state === 'asking' ? 'button danger' : 'button'}
      disabled={state === 'sent'}
      onClick={onClick}
    >
      <CloseIcon />
      <span aria-live="polite">{LABELS[state]}</span>
    </button>
  );
}

const LABELS = { idle: 'Cancel', asking: 'Really cancel?', sent: 'Cancelling …' } as const;
