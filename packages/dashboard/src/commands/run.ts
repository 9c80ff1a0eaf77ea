import type { MillraceEvent } from '@millrace/protocol';

export type RunOutcome =
  | { readonly kind: 'running' }
  | { readonly kind: 'exited'; readonly exitCode: number }
  | { readonly kind: 'signalled'; readonly signal: string }
  /** It was told to end, and did. */
  | { readonly kind: 'stopped'; readonly reason: string; readonly by?: string }
  | { readonly kind: 'failed'; readonly message: string };

/** What is known of one command. */
export interface Run {
  readonly executionId?: string;
  /** What those who may control it can do: `cancel`, `signal`, `stdin`, `resize`. */
  readonly control?: readonly string[];
  /** The terminal that it has. */
  readonly pty?: { readonly columns: number; readonly rows: number };
  readonly command?: string;
  readonly cwd?: string;
  readonly pid?: number;
  /** ISO 8601. */
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly durationMs?: number;
  readonly outcome: RunOutcome;
}

export const NEW_RUN: Run = { outcome: { kind: 'running' } };

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (data: unknown): Fields =>
  typeof data === 'object' && data !== null ? (data as Fields) : {};
const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

/** The run after one more of its events. */
export function foldRun(run: Run, event: MillraceEvent): Run {
  switch (event.event) {
    case 'tool.started':
      return started(run, event);
    case 'tool.completed':
      return ended(run, event, completion(fieldsOf(event.data)));
    case 'tool.failed':
      return ended(run, event, failure(fieldsOf(event.data)));
    default:
      return run;
  }
}

function started(run: Run, event: MillraceEvent): Run {
  const data = fieldsOf(event.data);
  const cwd = textOf(data.cwd);
  const pid = numberOf(data.pid);
  const executionId = textOf(data.execution_id);
  const { columns, rows } = fieldsOf(data.pty);
  return {
    ...withCommand(run, data),
    startedAt: timeOf(event, data),
    ...(executionId !== undefined && { executionId }),
    ...(Array.isArray(data.control) && { control: data.control.map(String) }),
    ...(typeof columns === 'number' && typeof rows === 'number' && { pty: { columns, rows } }),
    ...(cwd !== undefined && { cwd }),
    ...(pid !== undefined && { pid }),
  };
}

function ended(run: Run, event: MillraceEvent, outcome: RunOutcome): Run {
  const data = fieldsOf(event.data);
  const durationMs = numberOf(data.duration_ms);
  return {
    ...withCommand(run, data),
    outcome,
    endedAt: timeOf(event, data),
    ...(durationMs !== undefined && { durationMs }),
  };
}

/** A command that could not be started has no event but its failure, which names it too. */
function withCommand(run: Run, data: Fields): Run {
  const program = textOf(data.command);
  if (program === undefined) return run;
  const args = Array.isArray(data.args) ? data.args.map(String) : [];
  return { ...run, command: [program, ...args].map(quoteForShell).join(' ') };
}

/** When it happened: the server may have been away and stored it later. */
const timeOf = (event: MillraceEvent, data: Fields): string => textOf(data.producedAt) ?? event.timestamp;

function completion(data: Fields): RunOutcome {
  const signal = textOf(data.signal);
  const reason = textOf(data.reason);
  const by = textOf(data.cancelled_by);
  if (reason !== undefined) return { kind: 'stopped', reason, ...(by !== undefined && { by }) };
  if (signal !== undefined) return { kind: 'signalled', signal };
  return { kind: 'exited', exitCode: numberOf(data.exit_code) ?? 0 };
}

function failure(data: Fields): RunOutcome {
  const message = textOf(data.error) ?? textOf(data.message);
  return { kind: 'failed', message: message ?? 'The command could not be run.' };
}

/** As one would type it: words with anything unusual in them are quoted. */
export function quoteForShell(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** `tool.output`'s bytes or text, or `undefined` when the event is another or malformed. */
export function readOutput(
  event: MillraceEvent,
): { output: string | Uint8Array; isStderr: boolean } | undefined {
  if (event.event !== 'tool.output') return undefined;
  const data = fieldsOf(event.data);
  if (typeof data.output !== 'string') return undefined;
  const isStderr = data.is_stderr === true;
  return { output: data.encoding === 'base64' ? bytesOfBase64(data.output) : data.output, isStderr };
}

function bytesOfBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

const STOPPED: Readonly<Record<string, string>> = {
  cancelled: 'Cancelled',
  timeout: 'Timed out',
  'server-stopping': 'Server stopped',
};

/** Whether and how it ended, in two or three words. */
export function outcomeLabel(outcome: RunOutcome): string {
  switch (outcome.kind) {
    case 'running':
      return 'Running';
    case 'exited':
      return `Exit ${outcome.exitCode}`;
    case 'signalled':
      return outcome.signal;
    case 'stopped':
      return STOPPED[outcome.reason] ?? 'Stopped';
    case 'failed':
      return 'Failed';
  }
}
