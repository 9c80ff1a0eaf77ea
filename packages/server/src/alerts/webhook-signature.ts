import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';

/** A secret as the Standard Webhooks scheme writes it, `whsec_` and base64, or any other text, whose bytes are the key. */
function keyOf(secret: string): Buffer {
  return secret.startsWith(PREFIX) ? Buffer.from(secret.slice(PREFIX.length), 'base64') : Buffer.from(secret);
}

/**
 * Headers by which a receiver tells a repeat and, where there is a secret, checks who sent the body and that nobody changed it:
 * those of the Standard Webhooks scheme, as `millrace listen --forward` sends them.
 */
export function webhookHeaders(
  body: string,
  {
    id,
    seconds,
    secret,
  }: { readonly id: string; readonly seconds: number; readonly secret: string | undefined },
): Record<string, string> {
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(seconds) };
  if (secret === undefined) return headers;
  const signature = createHmac('sha256', keyOf(secret)).update(`${id}.${seconds}.${body}`).digest('base64');
  return { ...headers, 'webhook-signature': `v1,${signature}` };
}
