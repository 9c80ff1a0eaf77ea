import { ManualClock, TestServer } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { ClientCounters } from './client-counters.ts';

test('[STAT-3] the reconnection rate is of the last five minutes', () => {
  const clock = new ManualClock();
  const counters = new ClientCounters(clock);
  expect(counters.reconnectionRate).toBe(0);
  for (let n = 0; n < 8; n++) counters.countOpened();
  for (let n = 0; n < 2; n++) counters.countResumed();
  expect(counters.reconnectionRate).toBe(0.25);
  clock.advance(200_000);
  for (let n = 0; n < 2; n++) counters.countOpened();
  expect(counters.reconnectionRate).toBe(0.2);
  clock.advance(150_000);
  expect(counters.reconnectionRate).toBe(0);
  expect(counters).toMatchObject({ opened: 10, resumed: 2 });
});

test('[STAT-3] a session that resumes several topics came back once; one that asks for history did not', async () => {
  const server = await TestServer.start();
  const { epoch } = await server.server.publish('came.back', 'x', 1);
  const scraped = async (): Promise<string> => (await fetch(`${server.origin}/metrics`)).text();
  const returned = await server.connect();
  returned.send({ type: 'subscribe', topics: ['came.back', 'came.never'], since: `${epoch}:1` });
  await returned.take('subscribed', 2);
  const fresh = await server.connect();
  fresh.send({ type: 'subscribe', topic: 'came.back', since: 'earliest' });
  await fresh.next('subscribed');
  const stream = await server.stream(`/events?topics=came.back&since=${epoch}:1`);
  expect(await scraped()).toContain('millrace_sessions_resumed_total 2\n');
  expect(await scraped()).toContain('millrace_sessions_opened_total 3\n');
  expect(await scraped()).toMatch(/realtime_streaming_reconnection_rate 0\.66666\d+\n/);
  for (const client of [returned, fresh, stream]) client.close();
  await server.close();
});
