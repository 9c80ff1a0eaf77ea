import { spawnSync } from 'node:child_process';

/** Sends a signal; a process or group that is gone has no use for it. */
export function sendSignal(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** A process and everything that it started and that is still its own, parents first. */
function familyOf(pid: number): readonly number[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  const pairs = (stdout ?? '').split('\n').map((line) => line.trim().split(/\s+/).map(Number));
  const family = [pid];
  for (const parent of family) {
    for (const [child, ppid] of pairs) if (child !== undefined && ppid === parent) family.push(child);
  }
  return family;
}

/**
 * Sends a signal to a command and what it started: to its process group where it leads one, else (it shares ours, and with it our
 * terminal) to every process that descends from it.
 */
export function signalGroup(
  { pid, ownGroup }: { readonly pid: number; readonly ownGroup: boolean },
  signal: NodeJS.Signals,
): void {
  if (ownGroup) sendSignal(-pid, signal);
  else for (const member of familyOf(pid)) sendSignal(member, signal);
}
