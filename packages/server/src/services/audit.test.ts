import { ApiClient, TestServer } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AuditEntry } from './audit.ts';

interface Page {
  readonly entries: readonly (AuditEntry & { readonly id: string; readonly timestamp: string })[];
  readonly position: string;
  readonly behind: number;
}

let server: TestServer;

beforeEach(async () => {
  server = await TestServer.start();
});

afterEach(() => server.close());

async function as(entity: string, sub = 'root'): Promise<ApiClient> {
  return new ApiClient(server.origin, await server.token({ entity, sub, roles: ['admin'] }));
}

describe('the audit', () => {
  test('[HTTP-5] tells who did what to what, from where, when and with what outcome', async () => {
    const api = await as('acme');
    await server.server.publish('task.a', 'x', 1, { entity: 'acme' });
    const client = await server.connect('/ws', { entity: 'acme', sub: 'ann' });
    const { connectionId } = await client.next('welcome');
    await api.delete(`/api/v1/connections/${connectionId}`);
    await api.delete('/api/v1/topics/task.a');
    await api.delete('/api/v1/topics/task.a');
    const { entries, behind } = (await api.get<Page>('/api/v1/audit')).body;
    const who = { userId: 'root', roles: ['admin'], address: '127.0.0.1' };
    expect(entries).toEqual(
      [
        { action: 'disconnect', target: { connectionId, userId: 'ann' }, outcome: 'done' },
        { action: 'delete-topic', target: { topic: 'task.a' }, outcome: 'done' },
        { action: 'delete-topic', target: { topic: 'task.a' }, outcome: 'not-found' },
      ].map((entry) => ({
        ...entry,
        ...who,
        id: expect.any(String),
        timestamp: expect.stringMatching(/Z$/),
      })),
    );
    expect(behind).toBe(0);
  });

  test('[HTTP-5] is read in pages, forwards from a position or a time, or from its end', async () => {
    const api = await as('acme');
    for (let i = 0; i < 5; i++) await api.delete(`/api/v1/topics/t.${i}`);
    const topics = ({ entries }: Page): unknown[] => entries.map(({ target }) => target.topic);
    const first = (await api.get<Page>('/api/v1/audit?limit=2')).body;
    expect([topics(first), first.behind]).toEqual([['t.0', 't.1'], 3]);
    const second = (await api.get<Page>(`/api/v1/audit?after=${first.position}`)).body;
    expect([topics(second), second.behind]).toEqual([['t.2', 't.3', 't.4'], 0]);
    expect(topics((await api.get<Page>('/api/v1/audit?last=1')).body)).toEqual(['t.4']);
    expect(topics((await api.get<Page>('/api/v1/audit?from=2000-01-01')).body)).toHaveLength(5);
    expect(topics((await api.get<Page>('/api/v1/audit?from=2999-01-01')).body)).toEqual([]);
    for (const [query, code] of [
      ['after=nowhere', 'bad-position'],
      ['from=yesterday', 'bad-position'],
      ['last=1&from=2000-01-01', 'bad-message'],
    ]) {
      expect(await api.get(`/api/v1/audit?${query}`)).toMatchObject({ status: 400, body: { code } });
    }
  });

  test('[HTTP-5] [AUTH-7] shows an administrator the own entity alone, and nobody else anything', async () => {
    await (await as('acme')).delete('/api/v1/topics/ours');
    const theirs = await as('else');
    expect((await theirs.get<Page>('/api/v1/audit')).body.entries).toEqual([]);
    const position = (await (await as('acme')).get<Page>('/api/v1/audit')).body.position;
    expect((await theirs.get(`/api/v1/audit?after=${position}`)).text).not.toContain('ours');
    for (const roles of [['observer'], ['member'], ['agent'], ['publisher']] as const) {
      const api = new ApiClient(server.origin, await server.token({ entity: 'acme', roles }));
      expect(await api.get('/api/v1/audit')).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    }
  });

  test('[HTTP-5] cannot be written, read, listed or deleted as a topic', async () => {
    const api = await as('acme');
    await api.delete('/api/v1/topics/t');
    expect(await api.delete('/api/v1/topics/audit.acme')).toMatchObject({ status: 404 });
    expect((await api.get<{ topics: unknown[] }>('/api/v1/topics')).body.topics).toEqual([]);
    await server.server.publish('audit.acme', 'x', 'forged', { entity: 'acme' });
    const page = await api.get<Page>('/api/v1/audit');
    expect(page.text).not.toContain('forged');
    expect(page.body.entries).toHaveLength(2);
  });

  test('[AUTH-9] the entity that holds it can be reached by nobody', async () => {
    for (const entity of ['$system', '$', '$anything']) {
      const api = await as(entity);
      expect(await api.get('/api/v1/topics')).toMatchObject({
        status: 401,
        body: { code: 'unauthorized', detail: expect.stringContaining('begins with "$"') },
      });
      await expect(server.connect('/ws', { entity })).rejects.toMatchObject({ status: 401 });
      const late = await server.connectAnonymously();
      late.send({ type: 'auth', token: await server.token({ entity }) });
      expect(await late.closed).toMatchObject({ code: 4501 });
      const stream = await server.stream('/events', { entity });
      expect((await stream.answered).status).toBe(401);
      await expect(server.server.publish('t', 'x', 1, { entity })).rejects.toThrow(TypeError);
    }
  });
});
