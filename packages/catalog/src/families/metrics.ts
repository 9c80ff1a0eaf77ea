import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { metricsView } from '../views/metrics.ts';
import { figures, id, number, percent, text } from './fields.ts';

export const metricsFamily = eventFamily({
  name: 'metrics',
  description: 'Figures that are measured again and again; the newest ones count.',
  topics: ['metrics.*'],
  view: metricsView,
  events: [
    eventType({
      name: 'consciousness_update',
      description: 'The figures of one portal, once a second.',
      data: Type.Object({
        portal_id: id('The portal.'),
        account_id: id('Whose it is.'),
        metrics: Type.Object({
          consciousness_level: number('0–1.'),
          harmony: number('0–1.'),
          resilience: number('0–1.'),
          prana: number('0–1.'),
          drishti: number('0–1.'),
          klesha: number('0–1; lower is better.'),
          zoom: number('0–1.'),
        }),
        status: text('`healthy`, `degraded`, `critical`.'),
        uptime_percent: percent('0–100.'),
      }),
      example: {
        portal_id: 'portal-07',
        account_id: 'acct-7',
        metrics: {
          consciousness_level: 0.91,
          harmony: 0.83,
          resilience: 0.77,
          prana: 0.68,
          drishti: 0.9,
          klesha: 0.12,
          zoom: 0.5,
        },
        status: 'healthy',
        uptime_percent: 99.98,
      },
    }),
    eventType({
      name: 'metrics_update',
      description: 'Figures of any source, in the same shape.',
      data: Type.Object({
        source_id: id('What was measured: a host, a process, a server, a target.'),
        metrics: figures('The figures by name.'),
        status: Type.Optional(text('`ok`, `degraded`, `unreachable`.')),
        uptime_percent: Type.Optional(percent('Of its last measurements, how many succeeded, 0–100.')),
        error: Type.Optional(text('Why it cannot be reached.')),
      }),
      example: {
        source_id: 'node-1',
        metrics: { event_loop_delay_ms: 1.2, heap_used_bytes: 52_428_800 },
        status: 'ok',
        uptime_percent: 100,
      },
    }),
  ],
});
