import type { Client, Gap, Lag, MillraceEvent, Snapshot } from '@millrace/client';
import { connect, createConnectionTeller, type Target } from './connection.ts';
import { formatEvent, formatSnapshot, wantsColours } from './event-line.ts';
import { onceStopped } from './interruption.ts';
import { readOutput } from './run/read-output.ts';
import { complain, say } from './status.ts';
import { exitOnBrokenPipe, writeError, writeOut } from './stdout.ts';

export interface PrintingFlags {
  readonly json?: true;
  readonly output?: true;
}

/** How events are written, one after the other. */
export function writerOf(flags: PrintingFlags): (event: MillraceEvent) => Promise<void> {
  if (flags.output) return writeOutput;
  if (flags.json) return (event) => writeOut(`${JSON.stringify(event)}\n`);
  const colours = wantsColours(process.stdout, process.env);
  return (event) => writeOut(`${formatEvent(event, colours)}\n`);
}

/** What a topic's events add up to, before those that follow. */
export function writeSnapshot(snapshot: Snapshot, flags: PrintingFlags): Promise<void> {
  if (flags.json) return writeOut(`${JSON.stringify({ type: 'snapshot', ...snapshot })}\n`);
  const colours = wantsColours(process.stdout, process.env);
  return writeOut(`${formatSnapshot(snapshot, colours)}\n`);
}

/** What a recorded command wrote, to where it wrote it. Why it could not run, or was lost, is status. */
async function writeOutput(event: MillraceEvent): Promise<void> {
  const piece = readOutput(event);
  if (event.event === 'tool.failed')
    say(`${event.topic}: ${String((event.data as { error?: unknown }).error)}`);
  if (piece === undefined) return;
  await (piece.isStderr ? writeError(piece.bytes) : writeOut(piece.bytes));
}

/** What a subscription and a consumer tell alike. */
interface Reader {
  on(name: 'gap', listener: (gap: Gap) => void): unknown;
  on(name: 'lag', listener: (lag: Lag) => void): unknown;
}

/** Tells on stderr what a reader misses, and when it is behind. */
export function watchReader(reader: Reader): void {
  reader.on('gap', ({ topic, reason, count }) => {
    complain(`events of ${topic} are missing here: ${count === undefined ? '' : `${count}, `}${reason}`);
  });
  reader.on('lag', ({ behind }) => {
    say(behind === 0 ? 'live again' : `reading slower than events come: ${behind} behind`);
  });
}

/** Connects, lets `print` print until it ends or is stopped (Ctrl-C), and closes. The SDK waits while whoever reads us is slow. */
export async function printFrom(target: Target, print: (client: Client) => Promise<unknown>): Promise<void> {
  exitOnBrokenPipe();
  const client = await connect(target);
  const teller = createConnectionTeller({
    lost: 'connection lost; trying to come back',
    back: 'connected again',
  });
  teller.watch(client);
  const stop = (): void => {
    teller.stop();
    client.close();
  };
  onceStopped(stop);
  try {
    await print(client);
  } finally {
    stop();
  }
}
