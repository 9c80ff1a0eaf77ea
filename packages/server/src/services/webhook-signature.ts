/*
 * `@millrace/server/webhook`: signatures of the Standard Webhooks scheme, for remediations and for `millrace listen --forward`. It loads
 * without the server.
 */

import { Buffer } from 'node:buffer';
import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';

/** The key of a secret as the scheme writes it, `whsec_` and base64, or of any other text, whose bytes it is. */
export function webhookKey(secret: string): Buffer {
  return secret.startsWith(PREFIX) ? Buffer.from(secret.slice(PREFIX.length), 'base64') : Buffer.from(secret);
}

/**
 * Headers by which a receiver tells a repeat and checks who sent the body, when (`seconds` since the Unix epoch), and that nobody changed
 * it. While a secret is replaced, both the new key and the old one sign; without any nothing is signed.
 */
export function webhookHeaders(
  keys: readonly Buffer[],
  { id, seconds, body }: { readonly id: string; readonly seconds: number; readonly body: string },
): Record<string, string> {
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(seconds) };
  if (keys.length === 0) return headers;
  const signed = `${id}.${seconds}.${body}`;
  const signatures = keys.map((key) => `v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
  return { ...headers, 'webhook-signature': signatures.join(' ') };
}
