import type {
  Client,
  EventFilter,
  MillraceEvent,
  SlowPolicy,
  SubscribeOptions,
  Subscription,
} from '@millrace/client';
import { type Command, Option } from 'commander';
import { CliError } from '../cli-error.ts';
import { type ConnectionFlags, findTarget } from '../connection.ts';
import { addConnectionOptions } from '../connection-options.ts';
import { type PrintingFlags, printFrom, watchReader, writerOf, writeSnapshot } from '../event-printing.ts';
import { EXIT } from '../exit-code.ts';
import { filter, patterns, positiveInteger } from '../option-values.ts';
import { readSince } from '../since.ts';
import { setQuiet } from '../status.ts';

interface SubFlags extends ConnectionFlags, PrintingFlags {
  readonly since?: string;
  readonly last?: number;
  readonly filter?: EventFilter;
  readonly batch?: true;
  readonly slow?: SlowPolicy;
  readonly untilSealed?: true;
  readonly quiet?: true;
}

/** Prints one topic's or pattern's events until it ends. */
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

function subscribe(client: Client, topic: string, options: SubscribeOptions, flags: SubFlags): Subscription {
  const subscription = client.topic(topic, options);
  watchReader(subscription);
  subscription.on('snapshot', (snapshot) => void writeSnapshot(snapshot, flags));
  return subscription;
}

/** Snapshots are asked for by name, everything else as by other commands. */
function startOf(flags: SubFlags, topics: readonly string[]): SubscribeOptions['since'] {
  if (flags.since !== 'snapshot' || flags.last !== undefined) return readSince(flags, topics, Date.now());
  if (flags.output) throw new CliError('--output prints what was written, not snapshots', EXIT.usage);
  return 'snapshot';
}

async function printAll(topics: readonly string[], flags: SubFlags): Promise<void> {
  setQuiet(flags.quiet === true);
  const { filter, batch, slow } = flags;
  const options = { since: startOf(flags, topics), filter, batch, slow };
  const write = writerOf(flags);
  await printFrom(await findTarget(flags, 'observer'), (client) =>
    Promise.all(topics.map((topic) => print(subscribe(client, topic, options, flags), write, flags))),
  );
}

export function addSub(program: Command): void {
  const command = program
    .command('sub')
    .description('Print events as they come, and go on where it stopped after a lost connection.')
    .argument('<pattern...>', 'topics and patterns, such as task.build-7 or "task.*"', patterns)
    .option(
      '--since <place>',
      'begin at: earliest, a position, a cursor, a time (ISO 8601), how long ago (10m), or snapshot: the state, then what follows',
    )
    .option(
      '--last <n>',
      'begin with the newest n events of a topic, or of all that a pattern matches',
      positiveInteger,
    )
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
