import { availableParallelism } from 'node:os';
import { outputOf } from './child.ts';

/** Where processes run: the server under test has a core for itself. */
export interface Cores {
  /** Said in reports. */
  readonly description: string;
  /** A command and its arguments, to be run where servers run. */
  forServer(command: string, args: readonly string[]): Command;
  forLoad(command: string, args: readonly string[]): Command;
  /** On all cores. */
  anywhere(command: string, args: readonly string[]): Command;
}

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

const SERVER_CORE = 0;
const LOAD_CORE = 1;

/** Pins this process to the load's core. Where that is impossible everything runs unpinned, and the report says so. */
export async function assignCores(): Promise<Cores> {
  const last = availableParallelism() - 1;
  const pinned =
    last >= LOAD_CORE && (await outputOf('taskset', '-acp', `${LOAD_CORE}`, `${process.pid}`)) !== undefined;
  if (!pinned) {
    const asIs = (command: string, args: readonly string[]) => ({ command, args });
    return {
      description: 'NOT PINNED: fewer than two cores, or no taskset',
      forServer: asIs,
      forLoad: asIs,
      anywhere: asIs,
    };
  }
  const on = (core: string) => (command: string, args: readonly string[]) => ({
    command: 'taskset',
    args: ['-c', core, command, ...args],
  });
  return {
    description: `server on core ${SERVER_CORE}, subscribers and publishers on core ${LOAD_CORE}`,
    forServer: on(`${SERVER_CORE}`),
    forLoad: on(`${LOAD_CORE}`),
    anywhere: on(`0-${last}`),
  };
}
