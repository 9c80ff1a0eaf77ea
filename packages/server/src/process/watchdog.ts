import { spawn } from 'node:child_process';

/** Waits on the pipe from us. A word means that we took care ourselves; its end without one, that we died. */
const SCRIPT = `
trap '' HUP INT QUIT TERM
IFS= read -r word
[ "$word" = done ] && exit 0
if [ "$word" != afterwards ] && [ "$1" -gt 0 ]; then
  kill -s TERM -- "-$1" 2>/dev/null
  left=$2
  while [ "$left" -gt 0 ] && kill -s 0 -- "-$1" 2>/dev/null; do sleep 1; left=$((left - 1)); done
  kill -s KILL -- "-$1" 2>/dev/null
fi
shift 2
[ $# -eq 0 ] || exec "$@"
`;

export interface WatchdogOptions {
  /** The process group to end; missing: none. */
  readonly group?: number | undefined;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
  /** Run in the end. */
  readonly afterwards?: { readonly command: readonly string[]; readonly env: NodeJS.ProcessEnv };
}

export interface Watchdog {
  /** We have taken care of everything. Idempotent. */
  dismiss(): void;
  /** The command has ended; only what comes {@link WatchdogOptions.afterwards} is left to do. Idempotent. */
  handOver(): void;
}

/**
 * A small process (a shell that waits on a pipe) which outlives us, and ends a command and says so when we die without a chance to do it,
 * as by SIGKILL or for lack of memory. It cannot help when the machine stops, or when everything in our container is killed with us.
 */
export function startWatchdog({ group = 0, graceMs, afterwards }: WatchdogOptions): Watchdog {
  const args = ['-c', SCRIPT, 'millrace-watchdog', String(group), String(Math.ceil(graceMs / 1000))];
  const child = spawn('/bin/sh', [...args, ...(afterwards?.command ?? [])], {
    // Away from our group, so that what kills that leaves it alone.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: afterwards?.env ?? { PATH: process.env.PATH },
  });
  // Where there is no shell there is no watchdog.
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  child.unref();
  // The pipe, too, keeps nobody waiting for us.
  (child.stdin as unknown as { unref?(): void }).unref?.();
  const say = (word: string): void => {
    if (!child.stdin.writableEnded) child.stdin.end(`${word}\n`);
  };
  return { dismiss: () => say('done'), handOver: () => say('afterwards') };
}
