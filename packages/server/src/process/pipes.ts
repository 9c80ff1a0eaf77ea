import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

export interface OutputPipe {
  readonly reader: Readable;
  /** For the child's `stdio`. */
  readonly writer: number;
}

export interface OutputPipes {
  readonly stdout: OutputPipe;
  readonly stderr: OutputPipe;
  /** To be called once the child has its ends, or was not started: as long as ours are open, the readers do not end. */
  closeWriters(): void;
}

function openPipe(path: string): OutputPipe {
  // The reader first, without waiting for a writer; the writer does not wait then.
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  return { reader: new Socket({ fd: reader, readable: true, writable: false }), writer };
}

/**
 * Real pipes. Node's own `'pipe'` is a pair of sockets, which a command cannot open by name (`> /dev/stdout`) and which tells it
 * in another way of a reader that went away (no SIGPIPE). `undefined` where the system has no `mkfifo`.
 */
export function openPipes(): OutputPipes | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-run-'));
  try {
    const paths = [join(folder, 'stdout'), join(folder, 'stderr')] as const;
    if (spawnSync('mkfifo', ['-m', '600', ...paths]).status !== 0) return undefined;
    const [stdout, stderr] = [openPipe(paths[0]), openPipe(paths[1])];
    return {
      stdout,
      stderr,
      closeWriters() {
        closeSync(stdout.writer);
        closeSync(stderr.writer);
      },
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
