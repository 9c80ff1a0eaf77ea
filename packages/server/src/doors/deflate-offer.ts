import { type WindowBits, windowClassOf } from './compression.ts';

/** What client and server agreed on of permessage-deflate (RFC 7692). */
export interface DeflateAgreement {
  /** The largest window that the server compresses with. */
  readonly windowBits: WindowBits;
  /** The value of `Sec-WebSocket-Extensions` in the answer. */
  readonly answer: string;
}

const NO_TAKEOVER = ['server_no_context_takeover', 'client_no_context_takeover'];
const WINDOW_BITS = /^([89]|1[0-5])$/;

/**
 * The first of a client's offers that can be met; `undefined` where there is none, and the session goes on uncompressed.
 * (`ws` would refuse the upgrade.) Neither side ever keeps a window between two messages: what the server compresses is shared by its
 * sessions, and an idle session costs nothing.
 */
export function acceptDeflate(offers: string | undefined): DeflateAgreement | undefined {
  if (offers === undefined) return undefined;
  for (const offer of offers.split(',')) {
    const [name, ...parameters] = offer.split(';').map((part) => part.trim());
    if (name?.toLowerCase() !== 'permessage-deflate') continue;
    const agreement = acceptParameters(parameters);
    if (agreement !== undefined) return agreement;
  }
  return undefined;
}

function acceptParameters(parameters: readonly string[]): DeflateAgreement | undefined {
  const seen = new Set<string>();
  let maxWindowBits: number | undefined;
  for (const parameter of parameters) {
    const [name = '', value] = parameter.split('=').map((part) => part.trim());
    if (seen.has(name)) return undefined;
    seen.add(name);
    const bits = value?.replace(/^"(.*)"$/, '$1');
    if (name === 'server_max_window_bits') {
      if (bits === undefined || !WINDOW_BITS.test(bits)) return undefined;
      maxWindowBits = Number(bits);
    } else if (name === 'client_max_window_bits') {
      // A hint of what it can do; we read any window.
      if (bits !== undefined && !WINDOW_BITS.test(bits)) return undefined;
    } else if (!NO_TAKEOVER.includes(name) || value !== undefined) return undefined;
  }
  const windowBits = windowClassOf(maxWindowBits ?? 15);
  if (windowBits === undefined) return undefined;
  const answer = ['permessage-deflate', ...NO_TAKEOVER];
  if (maxWindowBits !== undefined) answer.push(`server_max_window_bits=${windowBits}`);
  return { windowBits, answer: answer.join('; ') };
}
