import { createInterface } from 'node:readline';
import { createClient } from '@millrace/client';
import { publishAnswer } from '@millrace/client/llm';
import { stampedTokens } from './stamped-tokens.ts';

/*
 * Applications in a process of their own that publish answers with the SDK until their input ends, each token saying when it was
 * emitted. The argument is JSON.
 */

export interface PublishersOrder {
  readonly url: string;
  readonly token: string;
  readonly streams: number;
  /** Over which the streams are spread. */
  readonly clients: number;
  readonly tokensPerSecond: number;
}

const order = JSON.parse(process.argv[2] ?? '{}') as PublishersOrder;
const { url, token, streams, tokensPerSecond } = order;
let sent = 0;
const abort = new AbortController();

/** Answers do not all begin in the same moment. */
const STAGGER_MS = 7;

async function* countedTokens(delayMs: number): AsyncGenerator<string, void> {
  for await (const each of stampedTokens(tokensPerSecond, delayMs)) {
    sent++;
    yield each;
  }
}

const clients = Array.from({ length: order.clients }, () => createClient({ url, token }));
const publishing = Array.from({ length: streams }, (_, i) => {
  // biome-ignore lint/style/noNonNullAssertion: there is one for each number
  const client = clients[i % clients.length]!;
  return publishAnswer(
    client,
    { conversationId: `${i}`, signal: abort.signal },
    countedTokens(i * STAGGER_MS),
  );
});
console.log(JSON.stringify({ streams }));
for await (const _ of createInterface({ input: process.stdin })) console.log(JSON.stringify({ sent }));
abort.abort();
await Promise.all(publishing);
for (const client of clients) client.close();
