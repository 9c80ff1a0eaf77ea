import type { Workload } from '../load/workload.ts';
import { floor } from '../peers/floor.ts';
import { millrace, millraceAgain } from '../peers/millrace.ts';
import { nats } from '../peers/nats.ts';
import { nchan } from '../peers/nchan.ts';
import type { Peer } from '../peers/peer.ts';
import { socketIo } from '../peers/socket-io.ts';
import { ws } from '../peers/ws.ts';
import type { Scenario } from '../scenario.ts';
import { FAN_OUT_METRICS, fanOutSide } from './fan-out.ts';

const everyPeer: readonly Peer[] = [floor, millrace, ws, socketIo, nats, nchan, millraceAgain];

/** 1,000 subscribers of one live topic. */
const slow: Workload = {
  subscribers: 1000,
  topics: ['bench.fan'],
  eventsPerSecond: 20,
  eventsPerBatch: 1,
};
const bursts: Workload = { ...slow, eventsPerSecond: 200, eventsPerBatch: 10 };
const even: Workload = { ...slow, eventsPerSecond: 200 };
const flood: Workload = { ...slow, eventsPerSecond: 2000, eventsPerBatch: 100 };
const evenFlood: Workload = { ...flood, eventsPerBatch: 1 };
const durable = { topics: ['task.fan'] } as const;
const manyTopics: Workload = {
  subscribers: 500,
  topics: Array.from({ length: 65 }, (_, n) => `bench.many-${n}`),
  eventsPerSecond: 121,
  eventsPerBatch: 12,
};

const toFloor = { side: floor.name, metric: 'usPerDelivery' } as const;
const M = millrace.name;

export const fanOutScenarios: readonly Scenario[] = [
  {
    name: 'fan-out-20',
    title: 'Fan-out: 20 events/s to 1,000 subscribers',
    metrics: FAN_OUT_METRICS,
    sides: everyPeer.map((peer) => fanOutSide(peer, slow)),
    relativeTo: toFloor,
    targets: [
      {
        text: '20 events/s: CPU per delivery ≤ 1.5 × the floor',
        side: M,
        metric: 'usPerDelivery',
        relativeTo: floor.name,
        atMost: 1.5,
      },
    ],
  },
  {
    name: 'fan-out-bursts',
    title: 'Fan-out: 200 events/s in bursts of 10 to 1,000 subscribers',
    metrics: FAN_OUT_METRICS,
    sides: everyPeer.map((peer) => fanOutSide(peer, bursts)),
    relativeTo: toFloor,
    targets: [
      {
        text: '200 events/s in bursts of 10: CPU per delivery ≤ 2 × the floor of such bursts',
        side: M,
        metric: 'usPerDelivery',
        relativeTo: floor.name,
        atMost: 2,
      },
    ],
  },
  {
    name: 'fan-out-even',
    title: 'Fan-out: 200 events/s evenly spaced to 1,000 subscribers, beside the same server at 20/s',
    metrics: FAN_OUT_METRICS,
    sides: [
      fanOutSide(millrace, slow, `${M} at 20/s`),
      fanOutSide(millrace, even),
      fanOutSide(ws, even),
      fanOutSide(millraceAgain, even),
    ],
    relativeTo: { side: `${M} at 20/s`, metric: 'usPerDelivery' },
    targets: [
      {
        text: '200 events/s evenly: CPU per delivery ≤ 0.5 × its own at 20/s',
        side: M,
        metric: 'usPerDelivery',
        relativeTo: `${M} at 20/s`,
        atMost: 0.5,
      },
      { text: '200 events/s evenly: p99 < 30 ms', side: M, metric: 'p99', atMost: 30 },
    ],
  },
  {
    name: 'fan-out-2000',
    title: 'Fan-out: 2,000 events/s offered to 1,000 subscribers',
    metrics: FAN_OUT_METRICS,
    sides: [
      fanOutSide(floor, flood, 'floor (C), bursts of 100'),
      fanOutSide(millrace, flood, `${M}, bursts of 100, live`),
      fanOutSide(millrace, evenFlood, `${M}, evenly, live`),
      fanOutSide(millrace, { ...flood, ...durable }, `${M}, bursts of 100, durable`),
      fanOutSide(millrace, { ...evenFlood, ...durable }, `${M}, evenly, durable`),
    ],
    relativeTo: { side: 'floor (C), bursts of 100', metric: 'usPerDelivery' },
    targets: ['bursts of 100, live', 'evenly, live', 'bursts of 100, durable', 'evenly, durable'].map(
      (how) => ({
        text: `2,000 events/s offered, ${how}: ≥ 1,000,000 deliveries/s`,
        side: `${M}, ${how}`,
        metric: 'deliveries',
        atLeast: 1e6,
      }),
    ),
  },
  {
    name: 'fan-out-filtered',
    title:
      'Fan-out: 200 events/s in bursts of 10 to 1,000 subscribers with ten distinct filters, beside the same without',
    metrics: FAN_OUT_METRICS,
    sides: [
      fanOutSide(millrace, bursts, `${M}, no filter`),
      fanOutSide(millrace, { ...bursts, filtered: true }),
      fanOutSide(millrace, slow, `${M} at 20/s, no filter`),
      fanOutSide(millrace, { ...slow, filtered: true }, `${M} at 20/s`),
    ],
    relativeTo: { side: `${M}, no filter`, metric: 'usPerDelivery' },
    targets: [
      {
        text: 'ten distinct filters, bursts: CPU per delivery ≤ 1.3 × that without',
        side: M,
        metric: 'usPerDelivery',
        relativeTo: `${M}, no filter`,
        atMost: 1.3,
      },
      {
        text: 'ten distinct filters, 20 events/s: CPU per delivery ≤ 1.3 × that without',
        side: `${M} at 20/s`,
        metric: 'usPerDelivery',
        relativeTo: `${M} at 20/s, no filter`,
        atMost: 1.3,
      },
    ],
  },
  {
    name: 'fan-out-tls',
    title: 'Fan-out over TLS 1.3: 20 events/s to 1,000 subscribers',
    metrics: FAN_OUT_METRICS,
    sides: [
      fanOutSide(millrace, slow, `${M}, no TLS`),
      fanOutSide(millrace, { ...slow, tls: true }),
      fanOutSide(ws, { ...slow, tls: true }),
    ],
    relativeTo: { side: `${M}, no TLS`, metric: 'usPerDelivery' },
    targets: [],
  },
  {
    name: 'many-topics',
    title: 'Fan-out: 500 subscribers of the same 65 topics, 121 events/s in ten batches a second',
    metrics: FAN_OUT_METRICS,
    sides: [floor, millrace, ws, socketIo, millraceAgain].map((peer) => fanOutSide(peer, manyTopics)),
    relativeTo: { side: ws.name, metric: 'usPerDelivery' },
    targets: [
      {
        text: '65 topics: CPU per delivery ≤ 0.3 × that of ws with send() for each',
        side: M,
        metric: 'usPerDelivery',
        relativeTo: ws.name,
        atMost: 0.3,
      },
    ],
  },
];
