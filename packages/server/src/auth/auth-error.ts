import { MillraceError } from '@millrace/protocol';

/** The token is not valid; `problem` never quotes it. */
export function unauthorized(problem: string): MillraceError {
  return new MillraceError('unauthorized', `${problem}; ask for a token from its issuer`);
}

export function expiredToken(): MillraceError {
  return new MillraceError('token-expired', 'the token has expired; come back with a fresh one');
}

export function revokedToken(): MillraceError {
  return unauthorized('the token was revoked');
}
