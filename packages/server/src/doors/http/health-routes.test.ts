import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ApiClient, ManualClock, within } from '@millrace/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import type { Engine } from '../../engine/engine.ts';
import type { SnapshotSource } from '../../hub/snapshot.ts';
import type { LlmService } from '../../llm/llm-service.ts';
import type { Processes } from '../../process/processes.ts';
import type { Audit } from '../../services/audit.ts';
import type { Statistics } from '../../services/statistics.ts';
import type { TokenRevocations } from '../../services/token-revocations.ts';
import { ClientCounters } from '../../session/client-counters.ts';
import type { Doorway } from '../doorway.ts';
import { createHttpApi } from './http-api.ts';
import type { HealthCheck, HttpApi } from './http-context.ts';

const clock = new ManualClock();
let api: HttpApi;
let server: Server;

/** An API of which only health works. */
async function start(parts: { checks?: HealthCheck[]; draining?: boolean }): Promise<ApiClient> {
  const { checks = [], draining = false } = parts;
  const sessions = { clock, limits: {}, counters: new ClientCounters(clock) };
  const doorway = { draining, allowsOrigin: () => true, sessions, connections: {} };
  api = await createHttpApi({
    doorway: doorway as unknown as Doorway,
    engine: { cursor: async () => ({}) } as unknown as Engine,
    snapshots: {} as SnapshotSource,
    audit: {} as Audit,
    processes: {} as Processes,
    revocations: {} as TokenRevocations,
    llm: {} as LlmService,
    statistics: {} as Statistics,
    families: [],
    version: '1.2.3',
    maxBodyBytes: 1024,
    requestBytes: { max: 1024, maxPerUser: 1024 },
    operatorEntity: 'default',
    healthChecks: checks,
  });
  server = createServer((request, response) => api.handle(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new ApiClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

afterEach(async () => {
  await api.close();
  await api.close();
  server.close();
});

describe('readiness', () => {
  test('[HTTP-1] a check that does not answer has failed after two seconds', async () => {
    const called = Promise.withResolvers<void>();
    const never = new Promise<void>(() => {});
    const check = (): Promise<void> => {
      called.resolve();
      return never;
    };
    const client = await start({ checks: [{ name: 'bridge', check }] });
    const answer = client.get('/readyz');
    await called.promise;
    // The engine's check has answered by then.
    await nextTurn();
    clock.advance(1999);
    clock.advance(1);
    expect(await within(answer, 'an answer')).toMatchObject({
      status: 503,
      body: {
        code: 'unavailable',
        detail: 'not working: bridge',
        details: {
          checks: [
            { name: 'engine', status: 'ok' },
            { name: 'bridge', status: 'failed', ms: 2000 },
          ],
        },
      },
    });
  });

  test('[HTTP-1] a check that throws at once has failed, and the others are told all the same', async () => {
    const check = (): Promise<void> => {
      throw new Error('the reason, which is nobody’s business');
    };
    const client = await start({ checks: [{ name: 'bridge', check }] });
    const { status, text } = await client.get('/healthz?verbose');
    expect(status).toBe(503);
    expect(text).toContain('{"name":"engine","status":"ok"');
    expect(text).not.toContain('nobody’s business');
  });

  test('[CLOSE-2] a server that drains is alive and not ready', async () => {
    const client = await start({ draining: true });
    expect(await client.get('/readyz')).toMatchObject({ status: 503, body: { code: 'draining' } });
    expect(await client.get('/livez')).toMatchObject({ status: 200 });
    expect(await client.get('/api/v1/topics')).toMatchObject({ status: 503, body: { code: 'draining' } });
  });
});
