import { setTimeout as after } from 'node:timers/promises';
import type { LlmProvider } from '@millrace/server';

const ANSWER = `A **mill race** is the channel that carries a river's water to the wheel of a mill, and away from it again.

It is worth digging because a river does not ask what you need. The race does three things for the miller:

- It takes a steady part of the stream, whatever the river is doing that day.
- It brings the water to the wheel at the right height and speed.
- It can be closed with a sluice, and opened again, without anybody moving the river.

This answer is not a model's: no provider is configured, so the example brings these words at the pace of one. Reload the page while they come, or open it in a second tab. The words do not mind: they are in the log, like everything else here.`;

/** Answers everything with the same words, for who has no model at hand. */
export const demoProvider: LlmProvider = {
  model: 'demo',
  async *stream({ signal }) {
    for (const token of ANSWER.match(/\s*\S+/g) ?? []) {
      await after(45, undefined, { signal });
      yield token;
    }
    return { finishReason: 'stop' };
  },
};
