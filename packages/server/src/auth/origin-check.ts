export interface OriginCheckOptions {
  /** Origins that may connect beside the server's own, as a browser writes them: `https://app.example.com`. */
  readonly allow: readonly string[];
  /** Whether pages from this machine may connect: for a server that is bound to loopback. */
  readonly loopback: boolean;
}

/** Says whether a request with these `Origin` and `Host` headers may be upgraded. */
export type OriginCheck = (origin: string | undefined, host: string | undefined) => boolean;

function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname)
  );
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function parseAllowed(text: string): string {
  const url = parseUrl(text);
  if (url?.host && text === `${url.protocol}//${url.host}`) return text;
  throw new Error(
    `allowed origin "${text}" is not an origin; write scheme, host and port only, in lower case: https://app.example.com`,
  );
}

/** Throws an `Error` for an allowed origin that no browser could send. */
export function createOriginCheck(options: OriginCheckOptions): OriginCheck {
  const allowed = new Set(options.allow.map(parseAllowed));
  return (origin, host) => {
    // Only browsers send an origin, and only browsers act for pages that their user has not chosen to trust.
    if (origin === undefined) return true;
    if (allowed.has(origin)) return true;
    const url = parseUrl(origin);
    if (url === undefined || !/^https?:$/.test(url.protocol)) return false;
    if (options.loopback && isLoopback(url.hostname)) return true;
    // A proxy may have ended TLS, so the scheme of the server's own origin is not known here.
    return host !== undefined && parseUrl(`${url.protocol}//${host}`)?.host === url.host;
  };
}
