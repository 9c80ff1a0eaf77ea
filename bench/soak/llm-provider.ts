import { createInterface } from 'node:readline';
import { startFakeProvider } from '@millrace/testkit';
import { stampedToken } from './llm-clock.ts';

/*
 * A provider in a process of its own: every answer is so many tokens a second until its request ends, each saying when it was
 * emitted. `node llm-provider.ts <tokens a second>`.
 */

function* tokens(): Generator<string> {
  for (;;) yield stampedToken();
}

const intervalMs = 1000 / Number(process.argv[2] ?? 100);
const provider = await startFakeProvider(() => ({ tokens: tokens(), intervalMs }));
console.log(JSON.stringify({ url: provider.url }));
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ sent: provider.requests.reduce((sum, { sent }) => sum + sent.length, 0) }));
}
process.exit(0);
