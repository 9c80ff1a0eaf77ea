import type { Client } from '@millrace/client';
import { inboxOf } from '@millrace/protocol';
import type { Command } from 'commander';
import { type ConnectionFlags, findTarget } from '../connection.ts';
import { addConnectionOptions } from '../connection-options.ts';
import { type PrintingFlags, printFrom, watchReader, writerOf } from '../event-printing.ts';
import { say, setQuiet } from '../status.ts';
import { userName } from '../user-name.ts';

interface InboxFlags extends ConnectionFlags, PrintingFlags {
  readonly ack?: true;
  readonly user?: string;
  readonly quiet?: true;
}

/** Prints what waits and what comes, and says that it is handled once it is printed. */
async function take(client: Client, flags: InboxFlags): Promise<void> {
  const write = writerOf(flags);
  const inbox = client.inbox({ userId: flags.user });
  watchReader(inbox);
  inbox.on('acknowledged', ({ offset }) => say(`acknowledged elsewhere, up to ${offset}`));
  for await (const message of inbox) await write(message);
}

/** Prints the same without a word to the server: nothing counts as delivered, and all of it is there the next time. */
async function look(client: Client, flags: InboxFlags): Promise<void> {
  const write = writerOf(flags);
  const userId = flags.user ?? client.session?.userId ?? userName();
  const messages = client.topic(inboxOf(userId), { since: 'earliest' });
  watchReader(messages);
  for await (const message of messages) await write(message);
}

async function printInbox(flags: InboxFlags): Promise<void> {
  setQuiet(flags.quiet === true);
  const target = await findTarget(flags, 'observer', flags.user);
  await printFrom(target, (client) => (flags.ack ? take(client, flags) : look(client, flags)));
}

export function addInbox(program: Command): void {
  const command = program
    .command('inbox')
    .description(
      'Print the messages of an inbox that have yet to be acknowledged, and what comes. They stay there unless --ack is given.',
    )
    .option('--ack', 'acknowledge each message once it is printed')
    .option('--user <id>', 'whose inbox; the token must be that user’s. Default: the token’s user')
    .option('--json', 'print whole messages, as NDJSON')
    .option('-q, --quiet', 'no status on stderr');
  addConnectionOptions(command).action(printInbox);
}
