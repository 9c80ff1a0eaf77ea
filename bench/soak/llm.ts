import { parseArgs } from 'node:util';
import { assignCores } from '../cores.ts';
import { compileNativeTools } from '../native-tools.ts';
import { runLlm } from './llm-run.ts';

/*
 * A hundred answers of a hundred tokens a second, each with ten viewers, once published by applications with the SDK and once by the
 * server that asks the provider itself; the server has one core. How old is a token when a viewer gets it? `npm run soak:llm`; prints
 * figures, and ends with 1 when the 99th percentile is 50 ms or more, or anything is lost.
 */

const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '100' },
    tokens: { type: 'string', default: '100' },
    viewers: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '10' },
    mode: { type: 'string', multiple: true, default: ['sdk', 'server'] },
    profile: { type: 'string' },
  },
});

const MAX_P99_MS = 50;
/** Until V8 has compiled what is hot: a server runs for longer than that. */
const WARM_UP_MS = 8000;
/** What is on its way at either end of the measurement. */
const MIN_RECEIVED = 0.99;

const cores = await assignCores();
// Viewers that cost as much as the server would be what is measured.
const tools = await compileNativeTools();
if (tools === undefined) throw new Error('the viewers are a C program: install a C compiler (`cc`)');
console.log(cores.description);
let good = true;
try {
  for (const mode of ['sdk', 'server'] as const) {
    if (!values.mode.includes(mode)) continue;
    const figures = await runLlm({
      cores,
      tools,
      mode,
      streams: Number(values.streams),
      tokensPerSecond: Number(values.tokens),
      viewersPerStream: Number(values.viewers),
      warmUpMs: WARM_UP_MS,
      measureMs: Number(values.seconds) * 1000,
      profileDirectory: values.profile,
    });
    console.log(JSON.stringify(figures));
    good &&= figures.p99Ms < MAX_P99_MS && figures.faults === 0 && figures.receivedShare > MIN_RECEIVED;
  }
} finally {
  await tools.close();
}
process.exit(good ? 0 : 1);
