import { createHash } from 'node:crypto';

/** Three parts of base64url, the first of which is long enough to be a header. */
const JWS = /^([\w-]{8,}\.[\w-]+)\.[\w-]*$/;

/**
 * Names a token without being one: a SHA-256 in hex. Of a JWT only what is signed counts, because one signature can be
 * written in several ways (unused bits of its last character; `s` or `n - s` of ECDSA), and a revoked token must not come
 * back in another spelling.
 */
export function fingerprintOf(token: string): string {
  const signed = JWS.exec(token)?.[1] ?? token;
  return createHash('sha256').update(signed).digest('hex');
}
