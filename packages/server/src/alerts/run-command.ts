import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock, Timer } from '../clock.ts';
import type { SystemAlert } from './incident.ts';
import type { CommandRemediation, RemediationOutcome } from './remediation.ts';

/** From the request to end to the end, in ms. */
const GRACE_MS = 5_000;

const INTERRUPTED: RemediationOutcome = { status: 'interrupted', detail: 'the server was shut down' };

/**
 * Runs the command of a remediation with the alert as JSON on its standard input, and beside it as variables. It has no shell. What it prints goes
 * nowhere. When it is made to end, so is everything that it started.
 */
export async function runCommand(
  remediation: CommandRemediation,
  alert: SystemAlert,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<RemediationOutcome> {
  if (signal.aborted) return INTERRUPTED;
  const [file, ...args] = remediation.command;
  const child = spawn(file, args, {
    cwd: remediation.cwd,
    env: environmentOf(remediation, alert),
    shell: false,
    // Of a group of its own, so that all of it can be told to end.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = endOf(child);
  let timedOut = false;
  let killing: Timer | undefined;
  const end = (): void => {
    tell(child, 'SIGTERM');
    killing = clock.after(GRACE_MS, () => tell(child, 'SIGKILL'));
  };
  const timeout = clock.after(remediation.timeoutMs, () => {
    timedOut = true;
    end();
  });
  signal.addEventListener('abort', end);
  // A command need not read.
  child.stdin?.on('error', () => {});
  child.stdin?.end(`${JSON.stringify(alert)}\n`);
  try {
    const outcome = await ended;
    if (signal.aborted) return INTERRUPTED;
    if (timedOut) return { status: 'timed-out', detail: `no end within ${remediation.timeoutMs} ms` };
    return outcome;
  } finally {
    timeout.cancel();
    killing?.cancel();
    if (timedOut || signal.aborted) tell(child, 'SIGKILL');
    signal.removeEventListener('abort', end);
  }
}

function endOf(child: ChildProcess): Promise<RemediationOutcome> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      resolve({ status: 'failed', detail: `it cannot be started (${error.code ?? error.message})` }),
    );
    child.once('exit', (code, signal) =>
      resolve(
        code === 0
          ? { status: 'succeeded', detail: 'exit code 0' }
          : { status: 'failed', detail: code === null ? `ended by ${signal}` : `exit code ${code}` },
      ),
    );
  });
}

/** Of the server's own only what the configuration names: its secrets are among them. */
function environmentOf({ environment }: CommandRemediation, alert: SystemAlert): NodeJS.ProcessEnv {
  const own: NodeJS.ProcessEnv = {};
  for (const name of ['PATH', ...environment]) {
    const value = process.env[name];
    if (value !== undefined) own[name] = value;
  }
  return {
    ...own,
    MILLRACE_ALERT_ID: alert.alert_id,
    MILLRACE_ALERT_RULE: alert.source,
    MILLRACE_ALERT_SEVERITY: alert.severity,
  };
}

function tell({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has just ended.
  }
}
