import type { View } from '@millrace/catalog/views';
import { expect, test } from 'vitest';
import { startClient } from '../test/start-client.ts';

/** As the fake server has it: the data of all events. */
const list: View<unknown[]> = {
  name: 'list',
  version: 1,
  holdsLog: true,
  initial: () => [],
  fold: (state, { data }) => {
    state.push(data);
    return state;
  },
};

test('[VIEW-1] the state is the server’s, and then current', async () => {
  const { platform, server, client } = startClient();
  for (const n of [1, 2]) server.append('t', n);
  server.snapshotsBehind = 1;
  const view = client.view('t', list);
  const changes: unknown[] = [];
  view.on('change', (state) => changes.push([...state]));
  expect(view.state).toBeUndefined();
  await platform.flush();
  expect(view.state).toEqual([1, 2]);
  server.append('t', 3);
  server.append('t', 4);
  await platform.flush();
  expect(view.state).toEqual([1, 2, 3, 4]);
  expect(view.position).toBe('e1:4');
  expect(changes.at(-1)).toEqual([1, 2, 3, 4]);
  view.close();
  server.append('t', 5);
  await platform.flush();
  expect(view.state).toEqual([1, 2, 3, 4]);
});

test('[REC-1] it is exact after whatever happens to connection, log and server', async () => {
  const first = Number(process.env.MILLRACE_SEED ?? Math.floor(Math.random() * 2 ** 31));
  for (let seed = first; seed < first + 20; seed++) await misbehave(seed);
});

async function misbehave(seed: number): Promise<void> {
  let random = seed;
  const chance = (n: number): number => {
    random = (Math.imul(random, 1103515245) + 12345) >>> 0;
    return (random >>> 8) % n;
  };
  const { platform, server, client } = startClient();
  const view = client.view('t', list);
  for (let step = 0; step < 600; step++) {
    const dice = chance(20);
    if (dice < 12) server.append('t', step);
    else if (dice === 12) server.cutAll();
    else if (dice === 13) server.recreate('t');
    else if (dice === 14) server.trim('t', chance(step + 1));
    else if (dice === 15) server.snapshotsBehind = chance(3);
    else if (dice < 18) await platform.deliver(chance(3));
    else await platform.advance(chance(2000));
  }
  await platform.advance(10_000);
  // A topic that was written anew and is still empty is told of by its first event.
  server.append('t', 'last');
  await platform.flush();
  expect([view.position, view.state], `MILLRACE_SEED=${seed}`).toEqual([
    server.snapshotOf('t').position,
    server.snapshotOf('t').state,
  ]);
  client.close();
}

test('a slow loop skips states, and ends with the last of a sealed topic', async () => {
  const { platform, server, client } = startClient();
  server.append('t', 1);
  const seen: number[] = [];
  const loop = (async () => {
    for await (const state of client.view('t', list)) {
      seen.push(state.length);
      await platform.advance(100);
    }
  })();
  for (let n = 2; n <= 50; n++) {
    server.append('t', n);
    if (n % 10 === 0) await platform.flush();
  }
  server.append('t', 'end', { seal: true });
  await platform.flush();
  await loop;
  expect(seen.at(-1)).toBe(51);
  expect(seen.length).toBeLessThan(15);
});

test('[SUB-8] it tells that the topic is sealed after the last state', async () => {
  const { platform, server, client } = startClient();
  server.append('t', 1, { seal: true });
  const view = client.view('t', list);
  const told: unknown[] = [];
  view.on('change', (state) => told.push(state.length));
  view.on('sealed', () => told.push('sealed'));
  view.on('closed', () => told.push('closed'));
  await platform.flush();
  expect(told).toEqual([1, 'sealed', 'closed']);
  expect([view.state, view.sealed, view.closed]).toEqual([[1], true, true]);
});

test('a view that the server does not have for the topic is refused', async () => {
  const { platform, client } = startClient();
  const view = client.view('t', { ...list, name: 'other' });
  const loop = view[Symbol.asyncIterator]().next();
  loop.catch(() => {});
  await platform.flush();
  await expect(loop).rejects.toMatchObject({ code: 'not-supported' });
  expect(view.closed).toBe(true);
});

test('a view that throws is ended with its last state', async () => {
  const { platform, server, client } = startClient();
  server.append('t', 1);
  const fold = () => {
    throw new Error('cannot count');
  };
  const view = client.view('t', { ...list, fold });
  const errors: string[] = [];
  view.on('error', ({ message }) => errors.push(message));
  await platform.flush();
  server.append('t', 2);
  await platform.flush();
  expect(errors).toEqual(['the view "list" failed at offset 2 of t: Error: cannot count']);
  expect([view.state, view.closed]).toEqual([[1], true]);
});

test('[AUTH-6] what may not be read is told', async () => {
  const { platform, server, client } = startClient();
  server.refuseSubscribe.set('t', 'forbidden');
  const view = client.view('t', list);
  const codes: string[] = [];
  view.on('error', ({ code }) => codes.push(code));
  await platform.flush();
  expect(codes).toEqual(['forbidden']);
  await expect(view[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'forbidden' });
});
