import { Buffer, isUtf8 } from 'node:buffer';

/** A piece of output as one event carries it. */
export interface OutputPiece {
  readonly output: string;
  /** `output` is base64 because the bytes are not UTF-8. Missing: it is the text itself. */
  readonly encoding?: 'base64';
}

/** How many bytes of a JSON string one byte of UTF-8 text becomes. */
const JSON_COST = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === 0x22 || byte === 0x5c) return 2;
  if (byte >= 0x20) return 1;
  return '\b\t\n\f\r'.includes(String.fromCharCode(byte)) ? 2 : 6;
});

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** How many bytes the character that `lead` begins has; 0 where it begins none. */
function characterLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

/** How many bytes at the end (0–3) may be the beginning of a character whose rest is still to come. */
export function unfinishedBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (isContinuation(byte)) continue;
    return characterLength(byte) > back ? back : 0;
  }
  return 0;
}

/** The end of the longest run of whole characters from `start` whose JSON has at most `maxJsonBytes`. */
function textEnd(bytes: Uint8Array, start: number, maxJsonBytes: number): number {
  let cost = 0;
  let end = start;
  for (let i = start; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (!isContinuation(byte)) end = i;
    cost += JSON_COST[byte] as number;
    if (cost > maxJsonBytes) return end;
  }
  return bytes.length;
}

/**
 * Splits bytes into pieces whose `output` has at most `maxJsonBytes` (≥ 6) as the contents of a JSON string: text that is
 * never cut inside a character where the bytes are UTF-8, base64 where they are not. The pieces make the same bytes again.
 */
export function splitOutput(bytes: Uint8Array, maxJsonBytes: number): OutputPiece[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pieces: OutputPiece[] = [];
  const text = isUtf8(buffer);
  const base64Bytes = Math.floor(maxJsonBytes / 4) * 3;
  for (let start = 0; start < buffer.length; ) {
    const end = text ? textEnd(buffer, start, maxJsonBytes) : Math.min(start + base64Bytes, buffer.length);
    const part = buffer.subarray(start, end);
    pieces.push(
      text ? { output: part.toString('utf8') } : { output: part.toString('base64'), encoding: 'base64' },
    );
    start = end;
  }
  return pieces;
}
