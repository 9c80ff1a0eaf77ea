import { MillraceError } from '@millrace/protocol';
import type { TokenSource } from './types.ts';

/** A fresh token. Rejects with `unavailable`, the cause kept, when the application's function fails. */
export async function readToken(source: TokenSource): Promise<string> {
  if (typeof source === 'string') return source;
  try {
    return await source();
  } catch (cause) {
    throw new MillraceError('unavailable', `the token function failed: ${String(cause)}`, { cause });
  }
}

/** When a JWT expires, in milliseconds since the Unix epoch; `undefined` for other tokens. Nothing is verified. */
export function expiryOf(token: string): number | undefined {
  const { exp } = claimsOf(token);
  return typeof exp === 'number' ? exp * 1000 : undefined;
}

/** The user that a JWT names ([AUTH-4]); empty for other tokens. Nothing is verified. */
export function userOf(token: string): string {
  const { sub, userId, user_id, id } = claimsOf(token);
  return String(sub ?? userId ?? user_id ?? id ?? '');
}

function claimsOf(token: string): Record<string, unknown> {
  try {
    const payload = token.split('.')[1] ?? '';
    const bytes = atob(payload.replaceAll('-', '+').replaceAll('_', '/'));
    const text = new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
    const claims: unknown = JSON.parse(text);
    return typeof claims === 'object' && claims !== null ? { ...claims } : {};
  } catch {
    return {};
  }
}

/**
 * How long after `nowMs` to ask for the next token: a minute before the expiry, or after four fifths of the time left
 * where that is sooner; never less than a second, so that a source that repeats itself is not asked in a loop.
 */
export function renewalDelayMs(expiryMs: number, nowMs: number): number {
  const left = expiryMs - nowMs;
  return Math.max(1000, Math.max(left - 60_000, left * 0.8));
}
