import type { Workload } from '../load/workload.ts';
import { millrace } from '../peers/millrace.ts';
import { ws } from '../peers/ws.ts';
import type { Scenario } from '../scenario.ts';
import { FAN_OUT_METRICS, fanOutSide } from './fan-out.ts';

/** So few that compressing for each subscriber alone keeps up. */
const plain: Workload = {
  subscribers: 1000,
  topics: ['bench.fan'],
  eventsPerSecond: 5,
  eventsPerBatch: 1,
  dataBytes: 1900,
};
const compressed: Workload = { ...plain, deflate: true };

/** Compressed frames are not read by the load, so that there is no latency. */
const SHOWN = ['usPerDelivery', 'cpu', 'deliveries', 'offered', 'bytes', 'rss'];
const UNCOMPRESSED = `${millrace.name}, uncompressed`;
const COMPRESSED = `${millrace.name}, compressed`;

/** What compression costs, and what it saves. */
export const compression: Scenario = {
  name: 'compression',
  title: 'Compression: 5 events/s of 2 KB to 1,000 subscribers',
  metrics: FAN_OUT_METRICS.filter(({ key }) => SHOWN.includes(key)),
  sides: [
    fanOutSide(millrace, plain, UNCOMPRESSED),
    fanOutSide(millrace, compressed, COMPRESSED),
    fanOutSide(ws, plain, 'ws, uncompressed'),
    fanOutSide(ws, compressed, 'ws, permessage-deflate'),
  ],
  relativeTo: { side: UNCOMPRESSED, metric: 'usPerDelivery' },
  targets: [
    {
      text: 'compressed: CPU per delivery ≤ 1.5 × that of uncompressed sends of the same events',
      side: COMPRESSED,
      metric: 'usPerDelivery',
      relativeTo: UNCOMPRESSED,
      atMost: 1.5,
    },
    {
      text: 'compressed: at least 60 % of the bytes saved (≤ 0.4 × the bytes)',
      side: COMPRESSED,
      metric: 'bytes',
      relativeTo: UNCOMPRESSED,
      atMost: 0.4,
    },
  ],
};
