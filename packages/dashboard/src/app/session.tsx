import { type Client, createClient } from '@millrace/client';
import { MillraceProvider } from '@millrace/react';
import { type ReactNode, useEffect, useMemo, useState } from 'react';
import { createApi } from './api.ts';
import { ApiProvider } from './api-context.tsx';
import { Dashboard } from './dashboard.tsx';

interface SessionProps {
  readonly token: string;
  readonly onSignOut: (refusal?: string) => void;
}

/** The folder that this page is served from, behind whatever proxy. */
const pageFolder = (): URL => new URL('./', window.location.href.split('#')[0]);

/** One connection with one token, for as long as the token is accepted. */
export function Session({ token, onSignOut }: SessionProps): ReactNode {
  const client = useOwnClient(token);
  const api = useMemo(() => createApi({ base: pageFolder(), token }), [token]);
  useEffect(
    () =>
      client?.on('state', (state) => {
        const refusal = refusalOf(client.failure?.code);
        if (state === 'reconnect_failed' && refusal !== undefined) onSignOut(refusal);
      }),
    [client, onSignOut],
  );
  if (client === undefined) return null;
  return (
    <MillraceProvider client={client}>
      <ApiProvider api={api}>
        <Dashboard onSignOut={onSignOut} />
      </ApiProvider>
    </MillraceProvider>
  );
}

function useOwnClient(token: string): Client | undefined {
  const [client, setClient] = useState<Client>();
  useEffect(() => {
    const own = createClient({ url: pageFolder().href, token });
    setClient(own);
    return () => own.close();
  }, [token]);
  return client;
}

function refusalOf(code: string | undefined): string | undefined {
  switch (code) {
    case 'unauthorized':
      return 'The server did not accept this token. Copy it again, or make a new one.';
    case 'token-expired':
      return 'This token has expired. Open a fresh link or make a new token.';
    case 'forbidden':
      return 'This token does not permit a connection.';
    default:
      return undefined;
  }
}
