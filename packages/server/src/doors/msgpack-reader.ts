import { isUtf8 } from 'node:buffer';
import { MillraceError } from '@millrace/protocol';

/**
 * Reads MessagePack from outside: what JSON can say, and nothing else. A general decoder knows more (extensions that
 * define records, dates, regular expressions, 64-bit integers) and lets a sender choose it; here nothing but plain
 * values comes out, and nesting is bounded while it is read.
 */
export function readMsgpack(bytes: Buffer, maxDepth: number): unknown {
  const reader = new MsgpackReader(bytes);
  const value = reader.value(maxDepth);
  if (!reader.atEnd) throw new MillraceError('bad-json', 'more bytes follow the MessagePack message');
  return value;
}

class MsgpackReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(depthLeft: number): unknown {
    const start = this.#take(1);
    const head = this.#bytes[start] as number;
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head < 0x90) return this.#map(head & 0x0f, depthLeft);
    if (head < 0xa0) return this.#list(head & 0x0f, depthLeft);
    if (head < 0xc0) return this.#text(head & 0x1f);
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return this.#finite(this.#bytes.readFloatBE(this.#take(4)));
      case 0xcb:
        return this.#finite(this.#bytes.readDoubleBE(this.#take(8)));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(1 << (head - 0xcc));
      case 0xcf:
        return Number(this.#bytes.readBigUInt64BE(this.#take(8)));
      case 0xd0:
      case 0xd1:
      case 0xd2: {
        const size = 1 << (head - 0xd0);
        return this.#bytes.readIntBE(this.#take(size), size);
      }
      case 0xd3:
        return Number(this.#bytes.readBigInt64BE(this.#take(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned(1 << (head - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#list(this.#unsigned(2 << (head - 0xdc)), depthLeft);
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 << (head - 0xde)), depthLeft);
      case 0xc1:
        throw new MillraceError('bad-json', `byte ${start} (0xc1) is not MessagePack`);
      default:
        throw new MillraceError(
          'bad-message',
          `byte ${start} begins binary data or an extension; use what JSON has`,
        );
    }
  }

  #unsigned(size: number): number {
    return this.#bytes.readUIntBE(this.#take(size), size);
  }

  #finite(value: number): number {
    if (Number.isFinite(value)) return value;
    throw new MillraceError(
      'bad-message',
      `the number before byte ${this.#at} is not finite; use what JSON has`,
    );
  }

  #text(length: number): string {
    const start = this.#take(length);
    if (length > 0 && !isUtf8(this.#bytes.subarray(start, start + length))) {
      throw new MillraceError('bad-utf8', `the text at byte ${start} is not valid UTF-8`);
    }
    return this.#bytes.toString('utf8', start, start + length);
  }

  #list(length: number, depthLeft: number): unknown[] {
    this.#enter(depthLeft);
    const list: unknown[] = [];
    for (let i = 0; i < length; i++) list.push(this.value(depthLeft - 1));
    return list;
  }

  #map(length: number, depthLeft: number): Record<string, unknown> {
    this.#enter(depthLeft);
    const map: Record<string, unknown> = {};
    for (let i = 0; i < length; i++) {
      const start = this.#at;
      const key = this.value(0);
      if (typeof key !== 'string') {
        throw new MillraceError('bad-message', `the key at byte ${start} is not a string`);
      }
      if (key === '__proto__') {
        throw new MillraceError('forbidden-key', `the key "__proto__" is not allowed (byte ${start})`);
      }
      map[key] = this.value(depthLeft - 1);
    }
    return map;
  }

  #enter(depthLeft: number): void {
    if (depthLeft === 0) throw new MillraceError('too-deep', `nested too deep at byte ${this.#at}`);
  }

  /** Where the next `length` bytes begin. Throws when there are not so many. */
  #take(length: number): number {
    const start = this.#at;
    if (start + length > this.#bytes.length) {
      throw new MillraceError('bad-json', 'the MessagePack message ends too early');
    }
    this.#at = start + length;
    return start;
  }
}
