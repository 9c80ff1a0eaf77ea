import type { Identity } from './identity.ts';

export interface Authenticator {
  /**
   * Says who bears this token. Rejects with a `MillraceError`: `unauthorized`, `token-expired`, or `internal` when the
   * key set cannot be fetched. No error carries the token or its claims.
   */
  authenticate(token: string): Promise<Identity>;
}
