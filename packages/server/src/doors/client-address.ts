import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * Where a request comes from. Behind `trustedProxies` proxies of the operator's it is what the outermost of them saw:
 * each adds to `X-Forwarded-For` whoever asked it, so that many entries from the end are theirs, and what stands before
 * is whatever the client wrote.
 */
export function clientAddress(request: IncomingMessage, trustedProxies: number): string {
  const own = request.socket.remoteAddress ?? '';
  if (trustedProxies === 0) return own;
  const forwarded = headerText(request.headers['x-forwarded-for'])
    .split(',')
    .map((entry) => entry.trim());
  const seen = withoutPort(forwarded.at(-trustedProxies) ?? forwarded[0] ?? '');
  return isIP(seen) === 0 ? own : seen;
}

/** Some proxies write `203.0.113.9:50123`, or `[2001:db8::1]:50123`. */
function withoutPort(entry: string): string {
  const [, v6, v4] = /^(?:\[([^\]]*)\]|(\d+\.\d+\.\d+\.\d+))(?::\d{1,5})?$/.exec(entry) ?? [];
  return v6 ?? v4 ?? entry;
}

function headerText(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}
