import type {
  Client,
  EventFilter,
  MillraceEvent,
  SlowPolicy,
  SubscribeOptions,
  Subscription,
} from '@millrace/client';
import { type Command, Option } from 'commander';
import { type ConnectionFlags, connect, createConnectionTeller, findTarget } from '../connection.ts';
import { addConnectionOptions } from '../connection-options.ts';
import { formatEvent, wantsColours } from '../event-line.ts';
import { onceStopped } from '../interruption.ts';
import { filter, patterns, positiveInteger } from '../option-values.ts';
import { readOutput } from '../run/read-output.ts';
import { readSince } from '../since.ts';
import { complain, say, setQuiet } from '../status.ts';
import { exitOnBrokenPipe, writeError, writeOut } from '../stdout.ts';

interface SubFlags extends ConnectionFlags {
  readonly since?: string;
  readonly last?: number;
  readonly filter?: EventFilter;
  readonly batch?: true;
  readonly slow?: SlowPolicy;
  readonly json?: true;
  readonly output?: true;
  readonly untilSealed?: true;
  readonly quiet?: true;
}

function watch(subscription: Subscription): void {
  subscription.on('gap', ({ topic, reason, count }) => {
    complain(`events of ${topic} are missing here: ${count === undefined ? '' : `${count}, `}${reason}`);
  });
  subscription.on('lag', ({ behind }) => {
    say(behind === 0 ? 'live again' : `reading slower than events come: ${behind} behind`);
  });
}

/** Prints one topic's or pattern's events until it ends. The SDK waits while whoever reads us is slow. */
async function print(
  subscription: Subscription,
  write: (event: MillraceEvent) => Promise<void>,
  flags: SubFlags,
): Promise<void> {
  for await (const event of subscription) {
    await write(event);
    if (event.sealed && flags.untilSealed) return;
  }
}

/** How events are written, one after the other. */
function writerOf(flags: SubFlags): (event: MillraceEvent) => Promise<void> {
  if (flags.output) return writeOutput;
  if (flags.json) return (event) => writeOut(`${JSON.stringify(event)}\n`);
  const colours = wantsColours(process.stdout, process.env);
  return (event) => writeOut(`${formatEvent(event, colours)}\n`);
}

/** What a recorded command wrote, to where it wrote it; nothing else. */
async function writeOutput(event: MillraceEvent): Promise<void> {
  const piece = readOutput(event);
  if (piece === undefined) return;
  await (piece.isStderr ? writeError(piece.bytes) : writeOut(piece.bytes));
}

function subscribe(client: Client, topic: string, options: SubscribeOptions): Subscription {
  const subscription = client.topic(topic, options);
  watch(subscription);
  return subscription;
}

async function printAll(topics: readonly string[], flags: SubFlags): Promise<void> {
  setQuiet(flags.quiet === true);
  const { filter, batch, slow } = flags;
  const options = { since: readSince(flags, topics, Date.now()), filter, batch, slow };
  exitOnBrokenPipe();
  const client = await connect(await findTarget(flags, 'observer'));
  const write = writerOf(flags);
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
    await Promise.all(topics.map((topic) => print(subscribe(client, topic, options), write, flags)));
  } finally {
    stop();
  }
}

export function addSub(program: Command): void {
  const command = program
    .command('sub')
    .description('Print events as they come, and go on where it stopped after a lost connection.')
    .argument('<pattern...>', 'topics and patterns, such as task.build-7 or "task.*"', patterns)
    .option(
      '--since <place>',
      'begin at: earliest, a position, a cursor, a time (ISO 8601), or how long ago (10m)',
    )
    .option('--last <n>', 'begin with the newest n events of a topic', positiveInteger)
    .option('--filter <json>', 'only events that match, such as \'{"types": ["task.failed"]}\'', filter)
    .option('--batch', 'let the server send several events as one message, for some delay')
    .addOption(
      new Option('--slow <policy>', 'when we read slower than events come, the server is to').choices([
        'catchup',
        'drop-oldest',
        'conflate',
        'disconnect',
      ]),
    )
    .option('--json', 'print whole events, as NDJSON')
    .option(
      '--output',
      'print what recorded commands wrote, byte for byte: stdout to stdout, stderr to stderr',
    )
    .option('--until-sealed', 'end when the topic is sealed; with a pattern, when the first of its topics is')
    .option('-q, --quiet', 'no status on stderr');
  addConnectionOptions(command).action(printAll);
}
