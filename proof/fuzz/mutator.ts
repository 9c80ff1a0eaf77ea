import { Packr } from 'msgpackr';
import type { Random } from '../random.ts';
import type { FuzzTarget } from './fuzz-target.ts';

/** Inputs are short, since most of what is wrong shows in a few bytes; one in a thousand is long. */
const MAX_BYTES = 600;
const MAX_LONG_BYTES = 70_000;
const LONG = 1 / 1000;

/** Numbers at which something changes, as they may stand in a text. */
const NUMBERS = [
  '0',
  '-1',
  '1e400',
  '-0',
  '1e21',
  '9007199254740991',
  '9007199254740992',
  '4294967296',
  '1.5',
];
const EDGE_BYTES = [0, 0x7f, 0x80, 0xff, 0x0a, 0x22, 0x5c, 0x7b, 0x5b];
const JSON_WORDS = [
  '__proto__',
  'constructor',
  'null',
  'true',
  '[[[[[[',
  '{"":',
  '"\\ud800"',
  '\\u0000',
  '","',
];
const VALUES: readonly unknown[] = [
  null,
  true,
  '',
  'x'.repeat(300),
  0,
  -1,
  1.5,
  2 ** 53,
  1e300,
  [],
  {},
  '\u0000',
  '\ud800',
  [[[[[[[[[[]]]]]]]]]],
];

/** Makes inputs out of valid ones: by the byte, by putting two together, and by the shape of what they say. */
export class Mutator {
  readonly #random: Random;
  readonly #seeds: readonly Buffer[];
  readonly #words: readonly Buffer[];
  readonly #shape: FuzzTarget['shape'];
  readonly #trees: readonly unknown[];
  readonly #packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });
  /** The input that is being made. */
  readonly #scratch = Buffer.alloc(2 * MAX_LONG_BYTES);
  #length = 0;

  constructor({ seeds, words = [], shape }: FuzzTarget, random: Random) {
    this.#random = random;
    this.#seeds = seeds.map((seed) => Buffer.from(seed));
    this.#words = [...words, ...NUMBERS, ...(shape === 'json' ? JSON_WORDS : [])].map((word) =>
      Buffer.from(word),
    );
    this.#shape = shape;
    this.#trees = shape === undefined ? [] : this.#seeds.flatMap(treeOf);
  }

  /** The next input; it is overwritten by the one after it. */
  next(): Buffer {
    const random = this.#random;
    const shaped = this.#trees.length > 0 && random.chance(0.4);
    this.#begin(shaped ? this.#reshape() : random.pick(this.#seeds));
    if (random.chance(LONG)) this.#lengthen();
    const changes = shaped ? random.below(2) : 1 + random.below(4);
    for (let i = 0; i < changes; i++) this.#change();
    return this.#scratch.subarray(0, this.#length);
  }

  #begin(bytes: Buffer): void {
    this.#length = bytes.copy(this.#scratch);
  }

  #change(): void {
    const random = this.#random;
    const at = random.below(this.#length + 1);
    switch (random.below(9)) {
      case 0:
        if (at < this.#length) this.#scratch[at] = (this.#scratch[at] as number) ^ (1 << random.below(8));
        break;
      case 1:
        if (at < this.#length) this.#scratch[at] = random.below(256);
        break;
      case 2:
        if (at < this.#length) this.#scratch[at] = random.pick(EDGE_BYTES);
        break;
      case 3:
        this.#remove(at, 1 + random.below(8));
        break;
      case 4:
        this.#length = at;
        break;
      case 5:
        this.#insert(at, random.pick(this.#words));
        break;
      case 6: {
        // A part of itself, once more.
        const from = random.below(this.#length + 1);
        this.#insert(at, Buffer.from(this.#scratch.subarray(from, from + random.below(20))));
        break;
      }
      case 7: {
        const other = random.pick(this.#seeds);
        this.#insert(at, other.subarray(random.below(other.length + 1)));
        break;
      }
      default: {
        // Another one's end in the place of its own.
        const other = random.pick(this.#seeds);
        this.#length = at;
        this.#insert(at, other.subarray(random.below(other.length + 1)));
      }
    }
  }

  #remove(at: number, count: number): void {
    const end = Math.min(this.#length, at + count);
    this.#scratch.copyWithin(at, end, this.#length);
    this.#length -= end - at;
  }

  #insert(at: number, bytes: Buffer): void {
    const room = Math.min(bytes.length, Math.max(MAX_BYTES, this.#length) - this.#length);
    if (room <= 0) return;
    this.#scratch.copyWithin(at + room, at, this.#length);
    bytes.copy(this.#scratch, at, 0, room);
    this.#length += room;
  }

  /** The same over and over. */
  #lengthen(): void {
    const unit = this.#random.chance(0.5)
      ? this.#random.pick(this.#words)
      : Buffer.from(this.#scratch.subarray(0, this.#length));
    if (unit.length === 0) return;
    const target = this.#random.below(MAX_LONG_BYTES);
    while (this.#length < target) this.#length += unit.copy(this.#scratch, this.#length);
  }

  #reshape(): Buffer {
    const tree = this.#grow(this.#random.pick(this.#trees), 0);
    if (this.#shape === 'msgpack') return this.#packr.pack(tree);
    return Buffer.from(JSON.stringify(tree) ?? 'null');
  }

  /** A copy, in which something here and there is another thing. */
  #grow(value: unknown, depth: number): unknown {
    const random = this.#random;
    if (random.chance(0.08)) return random.pick(VALUES);
    if (random.chance(0.03) && depth < 40) return random.chance(0.5) ? [value] : { data: value };
    if (Array.isArray(value)) return value.map((item) => this.#grow(item, depth + 1));
    if (typeof value !== 'object' || value === null) return value;
    const copy: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(value)) {
      if (random.chance(0.05)) continue;
      copy[random.chance(0.03) ? random.pick(JSON_WORDS) : key] = this.#grow(item, depth + 1);
    }
    return copy;
  }
}

function treeOf(seed: Buffer): unknown[] {
  try {
    return [JSON.parse(seed.toString())];
  } catch {
    return [];
  }
}
