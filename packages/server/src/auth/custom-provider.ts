import type { IncomingHttpHeaders } from 'node:http';
import { MillraceError } from '@millrace/protocol';
import type { Clock } from '../clock.ts';
import type { Claims, Identity } from './identity.ts';

/** Where a token came from. */
export interface TokenRequest {
  /** Of the client, or of the proxy in front of it. */
  readonly address: string;
  /**
   * Of the request that brought the token, without `authorization`, `cookie` and `sec-websocket-protocol`; empty where the
   * token came in a message.
   */
  readonly headers: IncomingHttpHeaders;
}

/**
 * The application's own way to check a token. It answers with claims, which are read as those of a JWT
 * (`{sub, entity?, roles?, topics?, exp?, iat?, jti?}`), or with `undefined` where the token is none of its own. It is asked each
 * time: what is expensive it keeps itself. Whatever it throws lets nobody in and asks the client to try again; a
 * `MillraceError` is passed on as it is.
 *
 *     createServer({ authenticate: async (token) => sessions.get(token) && { sub: sessions.get(token).userId } })
 */
export type AuthenticateFunction = (
  token: string,
  request: TokenRequest,
) => Promise<Claims | undefined> | Claims | undefined;

/** How long the function may take, in ms. */
export const FUNCTION_TIMEOUT_MS = 10_000;

export function cannotCheck(cause: unknown): MillraceError {
  return new MillraceError('unavailable', 'the token cannot be checked now; try again soon', { cause });
}

/** An error for the log without the token, which the application may have quoted. */
function withoutToken(error: unknown, token: string): Error {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const safe = new Error('the function `authenticate` failed');
  safe.stack = `${safe.message}: ${text.replaceAll(token, '[token]')}`;
  return safe;
}

/** What the application's answers are made identities with. */
export interface ProviderParts {
  readonly clock: Clock;
  /** Makes an identity of a token's claims; throws a `MillraceError`. */
  readonly read: (token: string, claims: unknown) => Identity;
  readonly onError: (error: unknown, doing: string) => void;
}

/** Asks the function; `undefined` when the token is none of its own. Rejects with `unavailable` when it fails or is late. */
export async function askFunction(
  ask: AuthenticateFunction,
  token: string,
  request: TokenRequest,
  { clock, read, onError }: ProviderParts,
): Promise<Identity | undefined> {
  const late = Promise.withResolvers<never>();
  const timer = clock.after(FUNCTION_TIMEOUT_MS, () =>
    late.reject(new Error(`no answer within ${FUNCTION_TIMEOUT_MS} ms`)),
  );
  try {
    const claims = await Promise.race([ask(token, request), late.promise]);
    return claims === undefined ? undefined : read(token, claims);
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    const safe = withoutToken(error, token);
    onError(safe, 'checking a token');
    throw cannotCheck(safe);
  } finally {
    timer.cancel();
  }
}
