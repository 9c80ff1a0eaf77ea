import { createHash } from 'node:crypto';
import { writeFileSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';

/*
 * A command that prints: `--bytes` in all, the same ones every time, to stdout and stderr by turns, in writes of uneven sizes. With
 * `--work-ms` it computes for so long before each of its megabytes. Into the file `--took` it writes when it began to print, in ms since
 * 1970, and how many seconds all of it took.
 */

/** When the command began to print, in ms since 1970, and how long it printed. */
export interface Took {
  readonly beganAt: number;
  readonly seconds: number;
}

const { values } = parseArgs({
  options: {
    bytes: { type: 'string', default: '100000000' },
    'work-ms': { type: 'string', default: '0' },
    took: { type: 'string' },
  },
});
const total = Number(values.bytes);
const workMsPerMegabyte = Number(values['work-ms']);

/** Lines as commands print them: colours, in every fourth thousand characters of every length, and some bytes that are no text. */
function text(): Buffer {
  const lines: Buffer[] = [];
  for (let i = 0; i < 12_000; i++) {
    const rest = i % 4000 < 1000 ? `größe-${i} ✓ ${'·'.repeat(i % 40)} 🚀` : `${'.'.repeat(i % 60)} done`;
    lines.push(
      Buffer.from(`\u001b[32m${i}\u001b[0m compiled "src/module-${i % 97}.ts" in ${i % 311} ms ${rest}\n`),
    );
    if (i % 3000 === 2999) lines.push(Buffer.from([0xff, 0xfe, 0x00, 0xc3, 0x28, 0x0a]));
  }
  return Buffer.concat(lines);
}

const BLOCK = Buffer.alloc(16_384, 'work');
const BLOCKS_PER_MS = 64;

/**
 * Busy, not asleep: what takes time from the command shows. Native code, which is as quick in one run as in the next, and a number of
 * rounds, not a deadline: a command that is disturbed has as much to do as before.
 */
function work(ms: number): void {
  const hash = createHash('sha256');
  for (let i = ms * BLOCKS_PER_MS; i > 0; i--) hash.update(BLOCK);
  hash.digest();
}

/** Waits for whoever reads: a warning of Node's makes stderr a pipe that does not. */
function print(fd: 1 | 2, from: number, to: number): void {
  for (let at = from; at < to; ) {
    try {
      at += writeSync(fd, page, at, to - at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(sleeping, 0, 0, 1);
    }
  }
}

const sleeping = new Int32Array(new SharedArrayBuffer(4));
const page = text();
const begin = performance.now();
let random = 20_261_120;
let printed = 0;
let toStderr = false;
while (printed < total) {
  random = (Math.imul(random, 1_103_515_245) + 12_345) & 0x7fffffff;
  const size = Math.min(1 + (random % 48_000), total - printed);
  if (workMsPerMegabyte > 0) work((workMsPerMegabyte * size) / 1e6);
  const start = printed % (page.length - size);
  print(toStderr ? 2 : 1, start, start + size);
  printed += size;
  toStderr = random % 5 === 0;
}
if (values.took !== undefined) {
  const took: Took = { beganAt: performance.timeOrigin + begin, seconds: (performance.now() - begin) / 1000 };
  writeFileSync(values.took, JSON.stringify(took));
}
process.exitCode = 7;
