import { expect, test } from 'vitest';
import type { Api } from '../app/api.ts';
import { readExactOutput } from './download-output.ts';

/** A log whose first two events retention has removed, given out two at a time. */
function fakeApi(outputs: readonly Record<string, unknown>[]): Pick<Api, 'history'> {
  const events = outputs.map((data, index) => ({
    topic: 'tool.x',
    event: 'tool.output',
    id: String(index),
    offset: index + 3,
    epoch: 'e',
    timestamp: '2026-11-20T12:00:00.000Z',
    data,
  }));
  const head = events.length + 2;
  return {
    history: async (_topic, query) => {
      const after = Number(('after' in query && query.after?.split(':')[1]) || 2);
      const page = events.filter(({ offset }) => offset > after).slice(0, 2);
      const last = page.at(-1)?.offset ?? after;
      return { events: page, position: `e:${last}`, behind: head - last };
    },
  };
}

test('the file has the bytes of both streams, in order, over all pages', async () => {
  const api = fakeApi([
    { output: 'é\r\n' },
    { output: '/wA=', encoding: 'base64', is_stderr: true },
    { output: '\u001b[31mred' },
    { something: 'else' },
    { output: 'end' },
  ]);
  const blob = await readExactOutput(api, 'tool.x');
  expect(Buffer.from(await blob.arrayBuffer())).toEqual(
    Buffer.concat([Buffer.from('é\r\n'), Buffer.from([0xff, 0]), Buffer.from('\u001b[31mredend')]),
  );
});

test('a refusal is passed on', async () => {
  const api = { ...fakeApi([]), history: async () => Promise.reject(new Error('gone')) };
  await expect(readExactOutput(api, 'tool.x')).rejects.toThrow('gone');
});
