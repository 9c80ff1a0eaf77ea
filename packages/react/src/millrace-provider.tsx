import type { Client, OpenCatalog } from '@millrace/client';
import { createContext, type ReactNode, useContext, useMemo } from 'react';
import { type FrameScheduler, frameScheduler } from './frame-scheduler.ts';

interface MillraceContextValue {
  readonly client: Client;
  readonly scheduler: FrameScheduler;
}

const MillraceContext = createContext<MillraceContextValue | undefined>(undefined);

export interface MillraceProviderProps {
  /** Whoever made the client closes it. */
  readonly client: Client;
  /** When hooks tell React of new events. Default: once a frame of the display. Keep it the same between renders. */
  readonly scheduler?: FrameScheduler | undefined;
  readonly children?: ReactNode;
}

/**
 * Gives the hooks below it their client.
 *
 * ```tsx
 * const client = createClient({ url, token });
 * <MillraceProvider client={client}><App /></MillraceProvider>
 * ```
 */
export function MillraceProvider(props: MillraceProviderProps): ReactNode {
  const { client, scheduler = frameScheduler, children } = props;
  const value = useMemo(() => ({ client, scheduler }), [client, scheduler]);
  return <MillraceContext value={value}>{children}</MillraceContext>;
}

/** For the hooks of this package. */
export function useMillraceContext(): MillraceContextValue {
  const value = useContext(MillraceContext);
  if (value === undefined)
    throw new Error('No Millrace client: render this inside <MillraceProvider client={…}>.');
  return value;
}

/** The client of the nearest provider, to publish with. */
export function useMillrace<Catalog extends object = OpenCatalog>(): Client<Catalog> {
  // A catalog exists at compile time only; every client is the same at run time.
  return useMillraceContext().client as unknown as Client<Catalog>;
}
