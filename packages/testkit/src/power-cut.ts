import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const SOURCE = join(import.meta.dirname, '../native/undo-writes.c');
const HEAD_BYTES = 24;

/** Takes back what a killed process had written but not synced. See `native/undo-writes.c`. */
export class PowerCut {
  readonly #journals: string;
  readonly #library: string;
  readonly #prefix: string;

  /**
   * Watches the files in one folder whose names begin with `prefix`. `journals` is an empty folder elsewhere.
   * Compiles the shim with the system's C compiler.
   */
  constructor(journals: string, prefix: string) {
    this.#journals = journals;
    this.#prefix = prefix;
    this.#library = join(journals, 'undo-writes.so');
    execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', this.#library, SOURCE, '-ldl', '-lpthread']);
  }

  /** Whether this machine can do it: Linux with a C compiler. */
  static get possible(): boolean {
    return process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0;
  }

  /** For the process that is going to be killed. */
  get environment(): Record<string, string> {
    return { LD_PRELOAD: this.#library, UNDO_DIR: this.#journals, UNDO_PREFIX: this.#prefix };
  }

  /** Call it when the process is gone. Answers with how many writes were lost. */
  strike(folder: string): number {
    let lost = 0;
    for (const name of readdirSync(this.#journals)) {
      if (!name.endsWith('.undo')) continue;
      const journal = join(this.#journals, name);
      lost += undo(join(folder, name.slice(0, -'.undo'.length)), readFileSync(journal));
      rmSync(journal);
    }
    for (const name of readdirSync(folder)) if (name.endsWith('-shm')) rmSync(join(folder, name));
    return lost;
  }
}

interface Change {
  readonly offset: number;
  readonly oldSize: number;
  readonly oldBytes: Buffer;
}

function undo(path: string, journal: Buffer): number {
  const changes = changesIn(journal).reverse();
  if (!existsSync(path)) return 0;
  const file = openSync(path, 'r+');
  try {
    for (const { offset, oldSize, oldBytes } of changes) {
      if (oldBytes.length > 0) writeSync(file, oldBytes, 0, oldBytes.length, offset);
      ftruncateSync(file, oldSize);
    }
  } finally {
    closeSync(file);
  }
  return changes.length;
}

/** A record that the kill cut short belongs to a write that never began. */
function changesIn(journal: Buffer): Change[] {
  const changes: Change[] = [];
  for (let at = 0; at + HEAD_BYTES <= journal.length; ) {
    const offset = Number(journal.readBigInt64LE(at));
    const length = Number(journal.readBigInt64LE(at + 8));
    const oldSize = Number(journal.readBigInt64LE(at + 16));
    const kept = Math.max(0, Math.min(length, oldSize - offset));
    const end = at + HEAD_BYTES + kept;
    if (end > journal.length) break;
    changes.push({ offset, oldSize, oldBytes: journal.subarray(at + HEAD_BYTES, end) });
    at = end;
  }
  return changes;
}
