import { ApiClient, ManualClock, TestServer, type TokenOptions } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BanBody } from './wire-shapes.ts';

let clock: ManualClock;
let server: TestServer;

beforeEach(async () => {
  clock = new ManualClock();
  const limits = { messagesPerSecond: 1, messageBurst: 1, maxViolations: 2, maxAddressViolations: 2 };
  server = await TestServer.start({ clock, limits });
});

afterEach(() => server.close());

async function api(options: TokenOptions): Promise<ApiClient> {
  return new ApiClient(server.origin, await server.token({ clock, ...options }));
}

const eve: TokenOptions = { sub: 'eve', entity: 'acme', roles: ['member'] };

async function getBanned(who: TokenOptions): Promise<void> {
  const member = await api(who);
  for (let i = 0; i < 3; i++) await member.get('/api/v1/topics');
  expect(await member.get('/api/v1/topics')).toMatchObject({ body: { code: 'abuse' } });
}

async function bansSeenBy(options: TokenOptions): Promise<BanBody[]> {
  return (await (await api(options)).get<{ bans: BanBody[] }>('/api/v1/bans')).body.bans;
}

describe('bans', () => {
  test('[LIM-11] are listed to the administrators of the entity, and lifted by them', async () => {
    await getBanned(eve);
    const now = clock.now();
    const [ban, ...others] = await bansSeenBy({ entity: 'acme' });
    expect(others).toEqual([]);
    expect(ban).toEqual({
      id: expect.any(String),
      kind: 'user',
      entityId: 'acme',
      userId: 'eve',
      reason: expect.stringMatching(/faster/),
      bannedAt: new Date(now).toISOString(),
      expiresAt: new Date(now + 300_000).toISOString(),
    });
    const admin = await api({ entity: 'acme', sub: 'root' });
    expect((await admin.delete(`/api/v1/bans/${ban?.id}`)).status).toBe(204);
    expect(await admin.delete(`/api/v1/bans/${ban?.id}`)).toMatchObject({
      status: 404,
      body: { code: 'not-found' },
    });
    expect(await bansSeenBy({ entity: 'acme' })).toEqual([]);
    clock.advance(10_000);
    expect((await (await api(eve)).get('/api/v1/topics')).status).toBe(200);
    expect((await admin.get<{ entries: object[] }>('/api/v1/audit')).body.entries).toMatchObject([
      { action: 'lift-ban', target: { banId: ban?.id, userId: 'eve' }, userId: 'root', outcome: 'done' },
      { action: 'lift-ban', outcome: 'not-found' },
    ]);
  });

  test('[LIM-11] of another entity are as if they did not exist', async () => {
    await getBanned(eve);
    const [ban] = await bansSeenBy({ entity: 'acme' });
    for (const entity of ['other', undefined]) {
      const stranger = { ...(entity !== undefined && { entity }) };
      expect(await bansSeenBy(stranger)).toEqual([]);
      expect((await (await api(stranger)).delete(`/api/v1/bans/${ban?.id}`)).status).toBe(404);
    }
    expect(await bansSeenBy({ entity: 'acme' })).toHaveLength(1);
  });

  test('[LIM-11] of addresses are the operator’s to see and lift', async () => {
    for (let i = 0; i < 2; i++) await new ApiClient(server.origin, 'forged').get('/api/v1/topics');
    expect(await bansSeenBy({ entity: 'acme' })).toEqual([]);
    const [ban] = await bansSeenBy({});
    expect(ban).toMatchObject({
      kind: 'address',
      address: '127.0.0.1',
      reason: expect.stringMatching(/tokens/),
    });
    expect(ban).not.toHaveProperty('entityId');
    expect((await (await api({ entity: 'acme' })).delete(`/api/v1/bans/${ban?.id}`)).status).toBe(404);
    expect((await (await api({})).delete(`/api/v1/bans/${ban?.id}`)).status).toBe(204);
    const client = await server.connectAnonymously();
    client.close();
  });

  test('[LIM-11] are for administrators only', async () => {
    for (const roles of [['observer'], ['member'], ['agent'], ['publisher']] as const) {
      const one = await api({ entity: 'acme', roles, sub: roles[0] });
      expect(await one.get('/api/v1/bans')).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    }
  });
});
