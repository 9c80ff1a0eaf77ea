import { randomInt } from 'node:crypto';

/** What the first append with a key was told. */
export interface FirstAppend {
  readonly offset: number;
  readonly seq: number;
  readonly id: string;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
}

/*
 * A key with its first append is a record of bytes:
 *
 *   hash of the key                       uint32
 *   lengths of the key and of the id      uint32 each, in UTF-16 units
 *   whether both are UTF-16               uint8
 *   offset, seq, timestamp                float64 each
 *   the id, the key                       Latin-1, or UTF-16 where one of them needs it
 */
const HASH = 0;
const KEY_LENGTH = 4;
const ID_LENGTH = 8;
const IS_UTF16 = 12;
const OFFSET = 13;
const SEQ = 21;
const TIMESTAMP = 29;
const HEADER_BYTES = 37;

/** What is wrong with whoever takes back another key first. */
export const NEWEST_FIRST = 'keys are taken back newest first';

/** The table of places has one for so many bytes of records: with keys of usual length, half of it is free. */
const BYTES_PER_SLOT = 32;

/** Of each process its own: keys that collide in one hardly do in another. */
const SEED = randomInt(2 ** 32);

/** A key, ready to be looked for in any segment. */
export interface HashedKey {
  readonly key: string;
  /** 32 bits. */
  readonly hash: number;
}

export function hashKey(key: string): HashedKey {
  let hash = SEED;
  for (let i = 0; i < key.length; i++) {
    hash = Math.imul(hash ^ key.charCodeAt(i), 0xcc9e2d51);
    hash = (hash << 15) | (hash >>> 17);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return { key, hash: (hash ^ (hash >>> 13)) >>> 0 };
}

/** The length of a record, in bytes. */
export function recordLength(key: string, id: string): number {
  return HEADER_BYTES + (key.length + id.length) * bytesPerUnit(needUtf16(key, id));
}

function needUtf16(key: string, id: string): boolean {
  return !isLatin1(key) || !isLatin1(id);
}

function isLatin1(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return false;
  return true;
}

function bytesPerUnit(isUtf16: boolean): number {
  return isUtf16 ? 2 : 1;
}

function encodingOf(isUtf16: boolean): 'utf16le' | 'latin1' {
  return isUtf16 ? 'utf16le' : 'latin1';
}

/**
 * Idempotency keys in the order in which they came, in one piece of memory with a hash table of their places (linear
 * probing). They leave from the front, or are taken back from the end; then their room is free again, otherwise the
 * whole segment is given up with its last key.
 */
export class KeySegment {
  readonly bytes: number;
  readonly #memory: Buffer;
  /** Where a record begins, plus 1; 0 for none. */
  readonly #slots: Uint32Array;
  /** Of the oldest key that has not left. */
  #start = 0;
  #end = 0;

  constructor(bytes: number) {
    this.bytes = bytes;
    this.#memory = Buffer.allocUnsafeSlow(bytes);
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(bytes / BYTES_PER_SLOT)));
  }

  get isEmpty(): boolean {
    return this.#start === this.#end;
  }

  /** Of the oldest key. */
  get oldestTimestamp(): number {
    return this.#memory.readDoubleLE(this.#start + TIMESTAMP);
  }

  find(hashed: HashedKey): FirstAppend | undefined {
    const start = this.#startAt(this.#slotOf(hashed));
    if (start === undefined) return undefined;
    const memory = this.#memory;
    const idAt = start + HEADER_BYTES;
    const isUtf16 = this.#isUtf16(start);
    const idEnd = idAt + memory.readUInt32LE(start + ID_LENGTH) * bytesPerUnit(isUtf16);
    return {
      offset: memory.readDoubleLE(start + OFFSET),
      seq: memory.readDoubleLE(start + SEQ),
      id: memory.toString(encodingOf(isUtf16), idAt, idEnd),
      timestamp: memory.readDoubleLE(start + TIMESTAMP),
    };
  }

  /** False when there is no room. */
  add({ key, hash }: HashedKey, { offset, seq, id, timestamp }: FirstAppend): boolean {
    const isUtf16 = needUtf16(key, id);
    const start = this.#end;
    const end = start + HEADER_BYTES + (key.length + id.length) * bytesPerUnit(isUtf16);
    if (end > this.bytes) return false;
    const memory = this.#memory;
    memory.writeUInt32LE(hash, start + HASH);
    memory.writeUInt32LE(key.length, start + KEY_LENGTH);
    memory.writeUInt32LE(id.length, start + ID_LENGTH);
    memory.writeUInt8(isUtf16 ? 1 : 0, start + IS_UTF16);
    memory.writeDoubleLE(offset, start + OFFSET);
    memory.writeDoubleLE(seq, start + SEQ);
    memory.writeDoubleLE(timestamp, start + TIMESTAMP);
    memory.write(id + key, start + HEADER_BYTES, encodingOf(isUtf16));
    this.#slots[this.#freeSlot(hash)] = start + 1;
    this.#end = end;
    return true;
  }

  /** The oldest key leaves. */
  dropOldest(): void {
    this.#start += this.#lengthAt(this.#start);
  }

  /** Takes back the newest key. False when it is not here: it has left meanwhile. */
  removeNewest(hashed: HashedKey): boolean {
    const slot = this.#slotOf(hashed);
    const start = this.#startAt(slot);
    if (start === undefined) return false;
    if (start + this.#lengthAt(start) !== this.#end) throw new Error(NEWEST_FIRST);
    // Nothing was placed after it, so that no search has to come past this slot.
    this.#slots[slot] = 0;
    this.#end = start;
    return true;
  }

  #startAt(slot: number): number | undefined {
    const place = this.#slots[slot] as number;
    return place === 0 ? undefined : place - 1;
  }

  #lengthAt(start: number): number {
    const memory = this.#memory;
    const units = memory.readUInt32LE(start + ID_LENGTH) + memory.readUInt32LE(start + KEY_LENGTH);
    return HEADER_BYTES + units * bytesPerUnit(this.#isUtf16(start));
  }

  #isUtf16(start: number): boolean {
    return this.#memory.readUInt8(start + IS_UTF16) === 1;
  }

  /** The slot of a key, or the free one that says that it is not here. */
  #slotOf(hashed: HashedKey): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hashed.hash & mask;
    for (let place = slots[slot] as number; place !== 0; place = slots[slot] as number) {
      if (this.#holds(place - 1, hashed)) return slot;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #freeSlot(hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hash & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    return slot;
  }

  /** A key that has left may have come again. */
  #holds(start: number, { key, hash }: HashedKey): boolean {
    const memory = this.#memory;
    if (start < this.#start || memory.readUInt32LE(start + HASH) !== hash) return false;
    if (memory.readUInt32LE(start + KEY_LENGTH) !== key.length) return false;
    const isUtf16 = this.#isUtf16(start);
    const unit = bytesPerUnit(isUtf16);
    const keyAt = start + HEADER_BYTES + memory.readUInt32LE(start + ID_LENGTH) * unit;
    return memory.toString(encodingOf(isUtf16), keyAt, keyAt + key.length * unit) === key;
  }
}
