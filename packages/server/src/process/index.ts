/*
 * `@millrace/server/process`: runs a command and records its life and output, for the server and for `millrace run`. It loads without the
 * server.
 */

export type { Command, TerminalSize } from './child.ts';
export { DEFAULT_GRACE_MS, type Ending, Execution, type ExecutionOptions } from './execution.ts';
export { InFlight } from './in-flight.ts';
export { type ControlRights, controlNames, obey } from './obey.ts';
export { exitedWith, failureOf, type Outcome } from './outcome.ts';
export type { Recording } from './recording.ts';
export { loadTerminals, type TerminalMaker, TerminalsMissingError } from './terminal-child.ts';
export { startWatchdog, type Watchdog, type WatchdogOptions } from './watchdog.ts';
