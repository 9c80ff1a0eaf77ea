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
 *   hash of the key             uint32
 *   its length in bytes         uint32
 *   length of the id in bytes   uint16
 *   whether the key is UTF-16   uint8
 *   offset, seq, timestamp      float64 each
 *   the id                      Latin-1
 *   the key                     Latin-1, or UTF-16 where that cannot say it
 */
const HASH = 0;
const KEY_LENGTH = 4;
const ID_LENGTH = 8;
const IS_UTF16 = 10;
const OFFSET = 11;
const SEQ = 19;
const TIMESTAMP = 27;
const HEADER_BYTES = 35;

/** The table of places has one for so many bytes of records: with keys of usual length, half of it is free. */
const BYTES_PER_SLOT = 32;

/** Chosen for each process, so that nobody can prepare keys whose hashes collide. */
const SEED = randomInt(2 ** 32);

/** A key, ready to be looked for in any segment. */
export interface HashedKey {
  readonly key: string;
  /** 32 bits. */
  readonly hash: number;
  readonly encoding: 'latin1' | 'utf16le';
}

export function hashKey(key: string): HashedKey {
  let hash = SEED;
  let units = 0;
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i);
    units |= unit;
    hash = Math.imul(hash ^ unit, 0xcc9e2d51);
    hash = (hash << 15) | (hash >>> 17);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return { key, hash: (hash ^ (hash >>> 13)) >>> 0, encoding: units > 0xff ? 'utf16le' : 'latin1' };
}

/** The length of a record, in bytes. */
export function recordLength({ key, encoding }: HashedKey, id: string): number {
  return HEADER_BYTES + id.length + keyLength(key, encoding);
}

function keyLength(key: string, encoding: HashedKey['encoding']): number {
  return encoding === 'utf16le' ? 2 * key.length : key.length;
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
    return {
      offset: memory.readDoubleLE(start + OFFSET),
      seq: memory.readDoubleLE(start + SEQ),
      id: memory.toString('latin1', idAt, idAt + memory.readUInt16LE(start + ID_LENGTH)),
      timestamp: memory.readDoubleLE(start + TIMESTAMP),
    };
  }

  /** False when there is no room; the key must not be here. */
  add(hashed: HashedKey, { offset, seq, id, timestamp }: FirstAppend): boolean {
    const { key, hash, encoding } = hashed;
    const start = this.#end;
    const end = start + recordLength(hashed, id);
    if (end > this.bytes) return false;
    const memory = this.#memory;
    memory.writeUInt32LE(hash, start + HASH);
    memory.writeUInt32LE(keyLength(key, encoding), start + KEY_LENGTH);
    memory.writeUInt16LE(id.length, start + ID_LENGTH);
    memory.writeUInt8(encoding === 'utf16le' ? 1 : 0, start + IS_UTF16);
    memory.writeDoubleLE(offset, start + OFFSET);
    memory.writeDoubleLE(seq, start + SEQ);
    memory.writeDoubleLE(timestamp, start + TIMESTAMP);
    const keyAt = start + HEADER_BYTES + memory.write(id, start + HEADER_BYTES, 'latin1');
    memory.write(key, keyAt, encoding);
    this.#slots[this.#freeSlot(hash)] = start + 1;
    this.#end = end;
    return true;
  }

  /** The oldest key leaves. */
  dropOldest(): void {
    this.#start += this.#lengthAt(this.#start);
  }

  /** Takes back the newest key. False when it is another one. */
  removeNewest(hashed: HashedKey): boolean {
    const slot = this.#slotOf(hashed);
    const start = this.#startAt(slot);
    if (start === undefined || start + this.#lengthAt(start) !== this.#end) return false;
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
    return HEADER_BYTES + memory.readUInt16LE(start + ID_LENGTH) + memory.readUInt32LE(start + KEY_LENGTH);
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
  #holds(start: number, { key, hash, encoding }: HashedKey): boolean {
    const memory = this.#memory;
    if (start < this.#start || memory.readUInt32LE(start + HASH) !== hash) return false;
    const isUtf16 = memory.readUInt8(start + IS_UTF16) === 1;
    if (isUtf16 !== (encoding === 'utf16le')) return false;
    const length = memory.readUInt32LE(start + KEY_LENGTH);
    if (length !== keyLength(key, encoding)) return false;
    const keyAt = start + HEADER_BYTES + memory.readUInt16LE(start + ID_LENGTH);
    return memory.toString(encoding, keyAt, keyAt + length) === key;
  }
}
