import type { Buffer } from 'node:buffer';
import { closeSync, openSync } from 'node:fs';
import type { Execution, TerminalSize } from '@millrace/server/process';

const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };

/** The size of the terminal that we write to. */
export function ownTerminalSize(): TerminalSize {
  const { columns, rows } = process.stdout;
  return columns > 0 && rows > 0 ? { columns, rows } : DEFAULT_SIZE;
}

/** Whether there is a terminal that a command may ask for by itself, as for a password, and that sends Ctrl-C to it. */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r+'));
    return true;
  } catch {
    return false;
  }
}

/**
 * Types into the command's terminal what comes to our stdin, key by key where that is a terminal too, and keeps its size that
 * of ours. Returns the undo.
 */
export function connectOwnTerminal(execution: Execution): () => void {
  const { stdin } = process;
  const raw = stdin.isTTY === true;
  const write = (bytes: Buffer): void => execution.write(bytes);
  const end = (): void => execution.endInput();
  if (raw) stdin.setRawMode(true);
  stdin.on('data', write);
  stdin.once('end', end);
  const stopFollowing = followOwnSize(execution);
  return () => {
    stdin.off('data', write);
    stdin.off('end', end);
    stdin.pause();
    if (raw) stdin.setRawMode(false);
    stopFollowing();
  };
}

/** Keeps the size of the command's terminal that of ours. Returns the undo. */
export function followOwnSize(execution: Execution): () => void {
  const resize = (): void => execution.resize(ownTerminalSize());
  process.stdout.on('resize', resize);
  return () => void process.stdout.off('resize', resize);
}
