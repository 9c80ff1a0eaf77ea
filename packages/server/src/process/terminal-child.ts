import { Buffer } from 'node:buffer';
import { constants } from 'node:os';
import { Readable } from 'node:stream';
import type { Child, Command, TerminalSize } from './child.ts';
import { findCommand } from './find-command.ts';
import { exitedWith, type Outcome } from './outcome.ts';

type Pty = typeof import('@lydell/node-pty');
type Terminal = ReturnType<Pty['spawn']>;

/** What may wait to be read before the command is paused. */
const MAX_UNREAD_BYTES = 128 * 1024;
const EXIT_CHECK_MS = 50;
/** What Ctrl-D sends: the end of the input, for a program that reads lines. */
const END_OF_INPUT = '\u0004';
const TERMINAL_NAME = 'xterm-256color';

/** The part that makes terminals is not installed. */
export class TerminalsMissingError extends Error {
  override readonly name = 'TerminalsMissingError';
}

/** Makes terminals; loaded when somebody asks for one. */
export type TerminalMaker = Pick<Pty, 'spawn'>;

/** Throws {@link TerminalsMissingError} where the optional package is not installed, or not made for this system. */
export async function loadTerminals(): Promise<TerminalMaker> {
  try {
    const { default: pty } = (await import('@lydell/node-pty')) as unknown as { readonly default: Pty };
    return pty;
  } catch (cause) {
    throw new TerminalsMissingError(
      'a terminal takes the package @lydell/node-pty, which is not installed here (npm install @lydell/node-pty)',
      { cause },
    );
  }
}

function nameOfSignal(number: number | undefined): NodeJS.Signals | null {
  if (!number) return null;
  const names = Object.keys(constants.signals) as NodeJS.Signals[];
  return names.find((name) => constants.signals[name] === number) ?? null;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * A terminal's output as a stream. After the command's end what is left must be read within 200 ms, or the package throws it away: so
 * a pause ends with the command, whatever waits (it is no more than the system's buffer holds).
 */
function outputOf(terminal: Terminal): Readable {
  let check: NodeJS.Timeout | undefined;
  const resume = (): void => {
    clearInterval(check);
    check = undefined;
    terminal.resume();
  };
  const source = new Readable({ read: resume, highWaterMark: MAX_UNREAD_BYTES });
  terminal.onData((data) => {
    // Without an encoding it gives bytes, which its types do not say.
    if (source.push(data as unknown as Buffer) || check !== undefined) return;
    terminal.pause();
    check = setInterval(() => {
      if (!isAlive(terminal.pid)) resume();
    }, EXIT_CHECK_MS);
  });
  terminal.onExit(() => {
    clearInterval(check);
    source.push(null);
  });
  return source;
}

/**
 * Starts a command on a terminal of its own, where stdout and stderr are one. Throws what the system would say of a command that is not
 * there, before there is a terminal that could not tell.
 */
export function startOnTerminal(
  maker: TerminalMaker,
  { command, args, cwd, env }: Command,
  { columns, rows }: TerminalSize,
): Child {
  const terminal = maker.spawn(findCommand(command, env ?? process.env, cwd), [...args], {
    name: TERMINAL_NAME,
    cols: columns,
    rows,
    cwd: cwd ?? process.cwd(),
    env: env ?? process.env,
    encoding: null,
  });
  const exited = new Promise<Outcome>((resolve) => {
    terminal.onExit(({ exitCode, signal }) => resolve(exitedWith(exitCode, nameOfSignal(signal))));
  });
  let open = true;
  const whileOpen = (act: () => void): void => {
    if (open) act();
  };
  void exited.then(() => {
    open = false;
  });
  return {
    pid: terminal.pid,
    ownGroup: true,
    outputs: [{ stream: 'stdout', source: outputOf(terminal) }],
    exited,
    // It takes bytes as well, which its types do not say.
    write: (bytes) => whileOpen(() => terminal.write(Buffer.from(bytes) as unknown as string)),
    endInput: () => whileOpen(() => terminal.write(END_OF_INPUT)),
    resize: (size) => whileOpen(() => terminal.resize(size.columns, size.rows)),
  };
}
