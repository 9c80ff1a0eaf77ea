import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TestServer, within } from '@millrace/testkit';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AGENT_NAMES } from './agent.ts';
import { type Constellation, PORTALS, startConstellation } from './constellation.ts';
import { findFrameProblem } from './flat-frames.ts';
import { type Frame, hear, type PlainSocket } from './plain-client.ts';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const hasBrowser = existsSync(executablePath);
if (!hasBrowser) {
  if (process.env.CI) throw new Error(`this test needs Chromium at ${executablePath}`);
  console.warn(`SKIPPED: no Chromium at ${executablePath}, so no browser reads the constellation`);
}

const SPAN_MS = 6000;
/** An alert comes when a portal has been bad for a while. */
const DEADLINE_MS = 45_000;

let server: TestServer;
let constellation: Constellation;
let pages: Server | undefined;
let sockets: readonly PlainSocket[];

const STREAMS = [
  { alias: 'consciousness', path: 'metrics/consciousness', frames: PORTALS, spanMs: SPAN_MS },
  { alias: 'agents', path: 'agents/status', frames: AGENT_NAMES.length, spanMs: SPAN_MS },
  { alias: 'workflows', path: 'workflows/execution', frames: 4, spanMs: SPAN_MS },
  { alias: 'alerts', path: 'system/alerts', frames: 1, spanMs: 0 },
] as const;

beforeAll(async () => {
  server = await TestServer.start();
  // An entity of its own has no alerts but its own.
  const entity = 'constellation';
  const publisher = await server.token({ sub: 'constellation', entity, roles: ['publisher'] });
  const reader = await server.token({ sub: 'reader', entity, roles: ['observer'] });
  const urlOf = (path: string): string => `${server.origin.replace('http', 'ws')}${path}?token=${reader}`;
  constellation = startConstellation({
    url: server.origin,
    token: publisher,
    seed: 7,
    onError: (error) => expect.unreachable(error.message),
  });
  sockets = [
    ...STREAMS.map(({ path, ...rest }) => ({ url: urlOf(`/ws/${path}`), messages: [], ...rest })),
    ...STREAMS.map(({ alias, ...rest }) => ({ url: urlOf(`/ws/${alias}`), messages: [], ...rest })),
    {
      url: urlOf('/ws'),
      messages: [
        ...STREAMS.map(({ alias }) => ({ type: 'subscribe', stream: alias })),
        { type: 'connection.heartbeat', timestamp: new Date().toISOString() },
      ],
      frames: 100,
      spanMs: SPAN_MS,
    },
    {
      url: urlOf('/ws'),
      messages: [
        { type: 'subscribe', stream: 'consciousness', filters: { sources: ['portal-07'] } },
        { type: 'subscribe', stream: 'agents', filters: { 'data.agent_id': ['agent-03'] } },
        { type: 'subscribe', stream: 'workflows', filters: { types: ['nothing'] } },
      ],
      frames: 20,
      spanMs: SPAN_MS,
    },
  ];
});

afterAll(async () => {
  pages?.close();
  await constellation.close();
  await server.close();
});

/** An application of its own, on a port of its own. */
async function servePage(): Promise<number> {
  pages = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><title>plain</title>');
  });
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');
  return (pages.address() as AddressInfo).port;
}

const timeOf = ({ timestamp }: Frame): number => Date.parse(String(timestamp));

/** From the first frame to the last, in seconds. */
function secondsOf(frames: readonly Frame[]): number {
  const [first, last] = [frames[0], frames.at(-1)];
  return first === undefined || last === undefined ? 0 : (timeOf(last) - timeOf(first)) / 1000;
}

/** The frames are all of this type, and as they are documented. */
function expectDocumented(frames: readonly Frame[], type: string): void {
  expect(new Set(frames.map((frame) => frame.type))).toEqual(new Set([type]));
  expect(frames.map(findFrameProblem).filter((problem) => problem !== undefined)).toEqual([]);
}

/** So many sources, told apart by `field`, and each so fast; one frame more or less is where the counting begins and ends. */
function expectRates(frames: readonly Frame[], field: string, sources: number, perSecond: number): void {
  const groups = [...Map.groupBy(frames, (frame) => frame[field]).values()];
  expect(groups).toHaveLength(sources);
  const expected = perSecond * secondsOf(frames);
  const tolerance = 1.5 + 0.1 * expected;
  for (const group of groups) {
    expect(group.length, String(group[0]?.[field])).toBeGreaterThan(expected - tolerance);
    expect(group.length, String(group[0]?.[field])).toBeLessThan(expected + tolerance);
  }
}

function expectStreams([metrics = [], agents = [], workflows = [], alerts = []]: readonly Frame[][]): void {
  expectDocumented(metrics, 'consciousness_update');
  expectRates(metrics, 'portal_id', PORTALS, 1);
  expectDocumented(agents, 'agent_status');
  expectRates(agents, 'agent_id', AGENT_NAMES.length, 5);
  expectDocumented(workflows, 'workflow_event');
  expect(workflows.length / secondsOf(workflows)).toBeGreaterThanOrEqual(1);
  expect(workflows.length / secondsOf(workflows)).toBeLessThanOrEqual(10);
  expectDocumented(alerts, 'system_alert');
}

/** A portal said before what an alert says of it. */
function expectToFollow(alerts: readonly Frame[], updates: readonly Frame[]): void {
  const [first] = updates;
  for (const alert of alerts) {
    if (first === undefined || timeOf(alert) < timeOf(first) + 100) continue;
    const [, figure = '', portal, value] =
      /^(?:\S+ has recovered: its )?(\S+) (?:of (\S+) )?is (\S+)$/.exec(String(alert.message)) ?? [];
    const said = updates.some(
      ({ portal_id, metrics }) =>
        (portal === undefined || portal_id === portal) &&
        (metrics as Record<string, number>)[figure]?.toFixed(2) === value,
    );
    expect(said, String(alert.message)).toBe(true);
  }
}

function expectEverything(heard: readonly Frame[][]): void {
  expectStreams(heard.slice(0, 4));
  expectStreams(heard.slice(4, 8));
  const [all = [], filtered = []] = heard.slice(8);
  const of = (type: string) => all.filter((frame) => frame.type === type);
  const answers = all.filter(({ type }) => type === 'subscribed');
  expect(answers).toEqual(STREAMS.map(({ alias }) => ({ type: 'subscribed', stream: alias })));
  expect(of('connection.heartbeat')).toHaveLength(1);
  expectStreams([of('consciousness_update'), of('agent_status'), of('workflow_event'), heard[3] ?? []]);
  expectToFollow(of('system_alert'), of('consciousness_update'));
  const events = filtered.filter(({ type }) => type !== 'welcome' && type !== 'subscribed');
  expect(new Set(events.map(({ portal_id, agent_id }) => portal_id ?? agent_id))).toEqual(
    new Set(['portal-07', 'agent-03']),
  );
}

describe('a plain client of the constellation', { timeout: DEADLINE_MS + 15_000 }, () => {
  test('gets the documented flat frames at their rates, by path and by alias', async () => {
    expectEverything(await within(hear(sockets), 'all streams', DEADLINE_MS));
  });

  test.skipIf(!hasBrowser)('is also one in a browser', async () => {
    const browser = await chromium.launch({
      executablePath,
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    try {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${await servePage()}`);
      expectEverything(await within(page.evaluate(hear, sockets), 'all streams', DEADLINE_MS));
    } finally {
      await browser.close();
    }
  });
});
