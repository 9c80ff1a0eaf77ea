import { type Client, createClient } from '@millrace/client';
import { TestServer } from '@millrace/testkit';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { BookmarkState } from './bookmark.ts';
import { BookmarkTopic } from './bookmark-topic.ts';

let server: TestServer;
const clients: Client[] = [];

beforeEach(async () => {
  server = await TestServer.start();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server.close();
});

function open(): Client {
  const client = createClient({ url: server.origin, token: () => server.token({ roles: ['publisher'] }) });
  clients.push(client);
  return client;
}
const listener = (client = open()): BookmarkTopic => new BookmarkTopic(client, 'twins', 'listen.twins');
const state = (offset: number): BookmarkState => ({ since: `e:${offset}`, done: {} });

test('there is nothing to take over where nobody has listened', async () => {
  expect(await listener().takeOver()).toBeUndefined();
});

test('the later listener takes over, and the earlier cannot write any more', async () => {
  const earlier = listener();
  await earlier.save(state(1));
  const later = listener();
  expect(await later.takeOver()).toEqual(state(1));
  await expect(earlier.save(state(2))).rejects.toThrow(/another listener named "twins" has taken over/);
  await later.save(state(3));
  expect(await listener().takeOver()).toEqual(state(3));
});

test('what the earlier saves while the later takes over is what the later goes on from', async () => {
  const earlier = listener();
  await earlier.save(state(1));
  const busy = open();
  vi.spyOn(busy, 'publish').mockImplementationOnce(async (...args) => {
    await earlier.save(state(2));
    return await busy.publish(...args);
  });
  const later = listener(busy);
  expect(await later.takeOver()).toEqual(state(2));
  await expect(earlier.save(state(3))).rejects.toThrow(/has taken over/);
  await later.save(state(3));
});
