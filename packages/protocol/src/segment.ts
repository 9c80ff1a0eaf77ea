/**
 * Ids of entities and users, written reversibly into one topic segment: bytes of `A-Z a-z 0-9 -` stand for
 * themselves, every other UTF-8 byte becomes `_hh` (lower-case hex). `a.b@x` ↔ `a_2eb_40x`.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function isPlain(byte: number): boolean {
  return (
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2d
  );
}

/**
 * Writes an id as one segment. Throws a `RangeError` for an id that could not be read back: an empty one, or one with
 * half a surrogate pair, which UTF-8 cannot write.
 */
export function encodeSegment(id: string): string {
  if (id === '') throw new RangeError('an id must not be empty');
  if (!id.isWellFormed()) throw new RangeError('an id must be well-formed Unicode');
  let segment = '';
  for (const byte of encoder.encode(id)) {
    segment += isPlain(byte) ? String.fromCharCode(byte) : `_${byte.toString(16).padStart(2, '0')}`;
  }
  return segment;
}

/** Reads an id back, or `undefined` where `segment` is not what {@link encodeSegment} writes. */
export function decodeSegment(segment: string): string | undefined {
  const bytes: number[] = [];
  for (let i = 0; i < segment.length; i++) {
    const code = segment.charCodeAt(i);
    if (isPlain(code)) {
      bytes.push(code);
      continue;
    }
    const hex = segment.slice(i + 1, i + 3);
    if (code !== 0x5f || !/^[0-9a-f]{2}$/.test(hex)) return undefined;
    const byte = Number.parseInt(hex, 16);
    if (isPlain(byte)) return undefined;
    bytes.push(byte);
    i += 2;
  }
  if (bytes.length === 0) return undefined;
  try {
    return decoder.decode(new Uint8Array(bytes));
  } catch {
    return undefined;
  }
}
