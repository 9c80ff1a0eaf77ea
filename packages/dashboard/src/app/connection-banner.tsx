import { useConnectionState, useMillrace } from '@millrace/react';
import { type ReactNode, useEffect, useState } from 'react';
import { CONNECTION_WORDS } from './connection-words.ts';
import './connection-banner.css';

/** A reconnection that succeeds sooner is not worth a banner. */
const PATIENCE_MS = 800;

export function ConnectionBanner(): ReactNode {
  const client = useMillrace();
  const state = useConnectionState();
  const isDown = state !== 'connected';
  const [isShown, setIsShown] = useState(false);
  useEffect(() => {
    if (!isDown) {
      setIsShown(false);
      return undefined;
    }
    const timer = setTimeout(() => setIsShown(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [isDown]);
  const { explanation, tone } = CONNECTION_WORDS[state];
  if (!isShown || explanation === undefined) return null;
  return (
    <div className="connection-banner" data-tone={tone} role="status">
      <p>{state === 'reconnect_failed' ? (client.failure?.message ?? explanation) : explanation}</p>
      <button type="button" className="button" onClick={() => client.connect()}>
        Connect now
      </button>
    </div>
  );
}
