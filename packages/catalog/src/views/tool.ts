import type { MillraceEvent } from '@millrace/protocol';
import type { View } from '../view.ts';
import { type Fields, fieldsOf, numberOf, textOf } from './event-data.ts';

/** Neighbouring output of one stream. */
export interface ToolOutput {
  readonly text: string;
  readonly is_stderr: boolean;
  /** `text` is base64 of bytes that are no text. */
  readonly encoding?: 'base64';
}

/** A command: how it stands, and the end of what it has written. */
export interface ToolRun {
  /** `waiting`: nothing is known yet. `failed`: it could not be run, or nobody knows how it ended. */
  readonly status: 'waiting' | 'running' | 'completed' | 'failed';
  readonly execution_id?: string;
  readonly command?: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly pid?: number;
  /** The terminal that it has. */
  readonly pty?: { readonly columns: number; readonly rows: number };
  /** What viewers may do: `cancel`, `signal`, `stdin`, `resize`. */
  readonly control?: readonly string[];
  /** ISO 8601, by the producer's clock where it says. */
  readonly started_at?: string;
  readonly ended_at?: string;
  readonly exit_code?: number;
  readonly duration_ms?: number;
  readonly signal?: string;
  /** Why it was ended, or why its end is not known: `cancelled`, `timeout`, `server-restarted`, … */
  readonly reason?: string;
  readonly error?: string;
  /** The newest, over both streams in the order in which it came. */
  readonly output: readonly ToolOutput[];
  /** Characters (UTF-16 code units) of output before that. */
  readonly cut: number;
}

/** Of output, in UTF-16 code units. */
const MAX_OUTPUT_LENGTH = 64 * 1024;
/** Pieces are not joined beyond this, so that a flood is not copied again and again. */
const MAX_PIECE_LENGTH = 4096;
/** Streams may take turns with every character. */
const MAX_PIECES = 2000;
const MAX_FACT_LENGTH = 4096;
const MAX_FACTS = 64;

type Draft = { -readonly [Field in keyof ToolRun]: ToolRun[Field] };

/** What somebody who comes late to a command sees at once. Reads nothing of what retention has taken away. */
export const toolView: View<ToolRun> = {
  name: 'tool',
  version: 1,
  holdsLog: false,
  initial: () => ({ status: 'waiting', output: [], cut: 0 }),
  fold: (run, event) => {
    const data = fieldsOf(event);
    switch (event.event) {
      case 'tool.started':
        return { ...run, ...started(event, data), status: 'running' };
      case 'tool.output':
        write(run, data);
        return run;
      case 'tool.completed':
        return { ...run, ...ended(event, data), status: 'completed' };
      case 'tool.failed':
        return { ...run, ...ended(event, data), status: 'failed' };
      default:
        return run;
    }
  },
};

function started(event: MillraceEvent, data: Fields): Partial<ToolRun> {
  const { pty } = data;
  const { columns, rows } = (typeof pty === 'object' && pty !== null ? pty : {}) as Fields;
  return {
    ...texts(data, 'execution_id', 'command', 'cwd'),
    ...lists(data, 'args', 'control'),
    ...numbers(data, 'pid'),
    ...(typeof columns === 'number' && typeof rows === 'number' && { pty: { columns, rows } }),
    started_at: timeOf(event, data),
  };
}

/** A command that could not be started is named by its end alone. */
function ended(event: MillraceEvent, data: Fields): Partial<ToolRun> {
  return {
    ...texts(data, 'execution_id', 'command', 'signal', 'reason', 'error'),
    ...lists(data, 'args'),
    ...numbers(data, 'exit_code', 'duration_ms'),
    ended_at: timeOf(event, data),
  };
}

/** The state is ours. */
function write(run: ToolRun, { output: text, is_stderr, encoding }: Fields): void {
  if (typeof text !== 'string' || text === '') return;
  const draft = run as Draft;
  const pieces = run.output as ToolOutput[];
  const last = pieces.at(-1);
  const isStderr = is_stderr === true;
  const base64 = encoding === 'base64';
  const joins =
    !base64 &&
    last !== undefined &&
    last.encoding === undefined &&
    last.is_stderr === isStderr &&
    last.text.length < MAX_PIECE_LENGTH;
  if (joins) pieces[pieces.length - 1] = { ...last, text: last.text + text };
  else pieces.push({ text, is_stderr: isStderr, ...(base64 && { encoding: 'base64' }) });
  draft.cut += cutTo(pieces, MAX_OUTPUT_LENGTH);
}

/** Takes off the beginning what is too much; returns its length. */
function cutTo(pieces: ToolOutput[], maxLength: number): number {
  let excess = pieces.reduce((sum, { text }) => sum + text.length, 0) - maxLength;
  let cut = 0;
  while (excess > 0 || pieces.length > MAX_PIECES) {
    const first = pieces[0] as ToolOutput;
    const length = cutLength(first, excess);
    cut += length;
    excess -= length;
    if (length === first.text.length) pieces.shift();
    else pieces[0] = { ...first, text: first.text.slice(length) };
  }
  return cut;
}

/** How much of a piece goes: never half of a character, and base64 in whole groups. */
function cutLength({ text, encoding }: ToolOutput, excess: number): number {
  if (excess >= text.length || excess <= 0) return text.length;
  if (encoding === 'base64') return Math.min(text.length, Math.ceil(excess / 4) * 4);
  const isLow = (text.charCodeAt(excess) & 0xfc00) === 0xdc00;
  return isLow ? excess + 1 : excess;
}

/** When it happened: the server may have been away and stored it later. */
const timeOf = ({ timestamp }: MillraceEvent, data: Fields): string =>
  textOf(data.producedAt)?.slice(0, MAX_FACT_LENGTH) ?? timestamp;

function texts<Name extends string>(data: Fields, ...names: Name[]): { readonly [N in Name]?: string } {
  return pick(names, (name) => textOf(data[name])?.slice(0, MAX_FACT_LENGTH));
}

function numbers<Name extends string>(data: Fields, ...names: Name[]): { readonly [N in Name]?: number } {
  return pick(names, (name) => numberOf(data[name]));
}

function lists<Name extends string>(
  data: Fields,
  ...names: Name[]
): { readonly [N in Name]?: readonly string[] } {
  return pick(names, (name) => {
    const list = data[name];
    if (!Array.isArray(list)) return undefined;
    return list.slice(0, MAX_FACTS).map((item) => String(item).slice(0, MAX_FACT_LENGTH));
  });
}

function pick<Name extends string, Value>(
  names: readonly Name[],
  read: (name: Name) => Value | undefined,
): { readonly [N in Name]?: Value } {
  const found = names.flatMap((name) => {
    const value = read(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(found) as { [N in Name]?: Value };
}
