import type { ConnectionState } from '@millrace/client';
import { useCallback, useSyncExternalStore } from 'react';
import { useMillraceContext } from './millrace-provider.tsx';

/** The client's connection state, live. */
export function useConnectionState(): ConnectionState {
  const { client } = useMillraceContext();
  const subscribe = useCallback((listener: () => void) => client.on('state', listener), [client]);
  const snapshot = (): ConnectionState => client.state;
  return useSyncExternalStore(subscribe, snapshot, snapshot);
}
