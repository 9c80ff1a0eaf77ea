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

test('there is nothing to go on from where nobody has listened', async () => {
  expect(await listener().load()).toBeUndefined();
});

test('the later listener takes over, and the earlier cannot save any more', async () => {
  const earlier = listener();
  await earlier.claim(state(1));
  const later = listener();
  expect(await later.load()).toEqual(state(1));
  await earlier.save(state(2));
  await later.claim(state(1));
  await expect(earlier.save(state(3))).rejects.toThrow(/another listener named "twins" has taken over/);
  await later.save(state(4));
  expect(await listener().load()).toEqual(state(4));
});

test('it takes over although the earlier saves at that very moment', async () => {
  const earlier = listener();
  await earlier.claim(state(1));
  const busy = open();
  vi.spyOn(busy, 'publish').mockImplementationOnce(async (...args) => {
    await earlier.save(state(2));
    return await busy.publish(...args);
  });
  const later = listener(busy);
  await later.load();
  await later.claim(state(1));
  await expect(earlier.save(state(3))).rejects.toThrow(/has taken over/);
  expect(await listener().load()).toEqual(state(1));
});

test('one whose start fails after it has read leaves the earlier alone', async () => {
  const earlier = listener();
  await earlier.claim(state(1));
  await listener().load();
  await earlier.save(state(2));
  expect(await listener().load()).toEqual(state(2));
});
