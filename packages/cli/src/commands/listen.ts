import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@millrace/client';
import type { Since } from '@millrace/protocol';
import { type Command, Option } from 'commander';
import { CliError } from '../cli-error.ts';
import { type ConnectionFlags, connect, createConnectionTeller, findTarget } from '../connection.ts';
import { addConnectionOptions } from '../connection-options.ts';
import { wantsColours } from '../event-line.ts';
import { watchReader } from '../event-printing.ts';
import { EXIT } from '../exit-code.ts';
import { onceStopped } from '../interruption.ts';
import { BookmarkTopic } from '../listen/bookmark-topic.ts';
import { formatNews } from '../listen/forward-line.ts';
import { Forwarder, type ForwardNews, LISTEN_NAMESPACE } from '../listen/forwarder.ts';
import { post, type WebhookOptions } from '../listen/webhook.ts';
import { readWebhookSecrets } from '../listen/webhook-secrets.ts';
import { duration, patterns, positiveInteger, topic } from '../option-values.ts';
import { readSince } from '../since.ts';
import { say, setQuiet } from '../status.ts';
import { exitOnBrokenPipe, writeOut } from '../stdout.ts';

interface ListenFlags extends ConnectionFlags {
  readonly forward: string;
  readonly name?: string;
  readonly since?: string;
  readonly attempts: number;
  readonly retryDelay: number;
  readonly timeout: number;
  readonly concurrency: number;
  readonly quiet?: true;
}

const MAX_DELAY_MS = 60_000;
/** How long a receiver that has a request may take to answer it once we are to stop. */
const GRACE_MS = 5_000;
const FINAL_SAVE_MS = 3_000;

function checkReceiver(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new CliError(`--forward "${text}" is not an address; write http://… or https://…`, EXIT.usage);
  }
  if (url.username !== '' || url.password !== '') {
    throw new CliError('--forward: an address must hold no password, for others could see it', EXIT.usage);
  }
  return url.href;
}

/** The same for the same work, so that what is started again goes on where it stopped. */
function nameOf({ name, forward }: ListenFlags, pattern: string): string {
  return name ?? createHash('sha256').update(`${pattern}\n${forward}`).digest('hex').slice(0, 12);
}

interface Listening {
  readonly pattern: string;
  readonly webhook: WebhookOptions;
  readonly since: Since | undefined;
  readonly flags: ListenFlags;
}

/** Everything between the server and the receiver, until the topic ends or Ctrl-C. */
async function forward(client: Client, { pattern, webhook, since, flags }: Listening): Promise<void> {
  // Over SSE nothing says whether there is a bookmark.
  if (client.transport === 'sse') throw new CliError('listening needs a WebSocket, and something blocks it');
  const name = nameOf(flags, pattern);
  const bookmarks = new BookmarkTopic(client, name, `${LISTEN_NAMESPACE}.${name}`);
  const deadLetterTopic = `${LISTEN_NAMESPACE}.${name}.dead-letter`;
  const known = await bookmarks.load();
  const begin = known === undefined ? '' : ', going on where it stopped';
  const subscription = client.topic(pattern, { since: known?.since ?? since });
  watchReader(subscription);
  const stop = new AbortController();
  const cut = new AbortController();
  onceStopped(() => {
    stop.abort();
    subscription.close();
    setTimeout(() => cut.abort(), GRACE_MS).unref();
    setTimeout(() => client.close(), GRACE_MS + FINAL_SAVE_MS).unref();
  });
  const rules = { maxAttempts: flags.attempts, firstDelayMs: flags.retryDelay, maxDelayMs: MAX_DELAY_MS };
  const style = { maxAttempts: rules.maxAttempts, colours: wantsColours(process.stdout, process.env) };
  const forwarder = new Forwarder({
    client,
    name,
    deadLetterTopic,
    bookmarks,
    known: known ?? (since === undefined ? undefined : { since, done: {} }),
    maxActive: flags.concurrency,
    post: (event) => post(webhook, event, cut.signal),
    stop: stop.signal,
    delivery: {
      rules,
      random: Math.random,
      sleep: (ms) => delay(ms, undefined, { signal: stop.signal }).catch(() => {}),
    },
    onReady: () =>
      say(
        `forwarding ${pattern} to ${webhook.url} as "${name}"${begin}; dead letters go to ${deadLetterTopic}`,
      ),
    tell: (event, news: ForwardNews) => void writeOut(`${formatNews(event, news, style)}\n`),
  });
  await forwarder.run(subscription);
}

async function listen([pattern = '']: readonly string[], flags: ListenFlags): Promise<void> {
  setQuiet(flags.quiet === true);
  exitOnBrokenPipe();
  const webhook = {
    url: checkReceiver(flags.forward),
    secrets: readWebhookSecrets(process.env),
    timeoutMs: flags.timeout,
  };
  const since = readSince(flags, [pattern], Date.now());
  const client = await connect(await findTarget(flags, 'publisher'));
  const teller = createConnectionTeller({
    lost: 'connection lost; trying to come back',
    back: 'connected again',
  });
  teller.watch(client);
  try {
    await forward(client, { pattern, webhook, since, flags });
  } finally {
    teller.stop();
    client.close();
  }
}

export function addListen(program: Command): void {
  const command = program
    .command('listen')
    .description(
      'Forward events to a webhook: signed, in order, retried, with dead letters, and going on where it stopped.',
    )
    .argument('<pattern>', 'a topic or pattern, such as task.build-7 or "task.*"', patterns)
    .requiredOption(
      '--forward <url>',
      'where each event is posted; MILLRACE_WEBHOOK_SECRET, or the file named by MILLRACE_WEBHOOK_SECRET_FILE, signs it',
    )
    .option(
      '--name <name>',
      'whose progress is remembered; one of its own for each pattern and address',
      topic,
    )
    .option(
      '--since <place>',
      'where to begin the first time: earliest, a position, a cursor, a time, or 10m',
    )
    .option('--attempts <n>', 'tries before an event becomes a dead letter', positiveInteger, 8)
    .addOption(
      new Option('--retry-delay <duration>', 'the first wait, which doubles up to a minute')
        .argParser(duration)
        .default(1000, '1s'),
    )
    .addOption(
      new Option('--timeout <duration>', 'how long the receiver may take to answer')
        .argParser(duration)
        .default(15_000, '15s'),
    )
    .option('--concurrency <n>', 'topics that are posted at a time', positiveInteger, 8)
    .option('-q, --quiet', 'no status on stderr');
  addConnectionOptions(command).action(listen);
}
