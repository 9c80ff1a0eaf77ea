import { createInterface } from 'node:readline';
import { startFakeProvider } from '@millrace/testkit';
import { stampedTokens } from './stamped-tokens.ts';

/*
 * A provider in a process of its own: every answer is so many tokens a second until its request ends, each saying when it was
 * emitted. `node llm-provider.ts <tokens a second>`.
 */

const tokensPerSecond = Number(process.argv[2] ?? 100);
const provider = await startFakeProvider(() => ({ tokens: stampedTokens(tokensPerSecond) }));
console.log(JSON.stringify({ url: provider.url }));
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ sent: provider.requests.reduce((sum, { sent }) => sum + sent.length, 0) }));
}
process.exit(0);
