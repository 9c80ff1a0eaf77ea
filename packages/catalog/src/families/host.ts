import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { count, durationMs, number, percent } from './fields.ts';

const bytes = (description: string) => Type.Number({ minimum: 0, description });

export const hostFamily = eventFamily({
  name: 'host',
  description: 'The figures of a machine and of the Millrace server on it, on `host.<name>`.',
  topics: ['host.*'],
  events: [
    eventType({
      name: 'host.metrics',
      description: 'How the machine and the server fare, once a second.',
      data: Type.Object({
        cpu_percent: percent('Of all cores.'),
        cpu_count: count('Cores.'),
        memory_total: bytes('Bytes of memory.'),
        memory_used: bytes('Of these, in use.'),
        memory_percent: percent('The same as a share.'),
        load_1m: number('Average load of a minute; 0 on Windows.'),
        load_5m: number('Of five minutes.'),
        load_15m: number('Of a quarter of an hour.'),
        event_loop_delay_ms: Type.Object(
          { p50: durationMs('Median.'), p99: durationMs('99th percentile.'), max: durationMs('The worst.') },
          { description: 'How late the server’s timers fired since the last event.' },
        ),
        process: Type.Object(
          {
            rss: bytes('Resident bytes.'),
            heap_used: bytes('Bytes of JavaScript heap in use.'),
            cpu_percent: number('Of one core; several threads may use more.'),
            uptime_s: number('Since it started.'),
          },
          { description: 'The server’s process.' },
        ),
        connections: count('Open connections.'),
        subscriptions: count('Subscriptions.'),
        deliveries_per_second: number('Events written to sessions.'),
        publishes_per_second: number('Events stored.'),
      }),
      example: {
        cpu_percent: 31.4,
        cpu_count: 8,
        memory_total: 16_777_216_000,
        memory_used: 9_341_952_000,
        memory_percent: 55.68,
        load_1m: 2.1,
        load_5m: 1.7,
        load_15m: 1.2,
        event_loop_delay_ms: { p50: 0.1, p99: 1.4, max: 6.2 },
        process: { rss: 148_897_792, heap_used: 41_222_144, cpu_percent: 12.5, uptime_s: 86_400 },
        connections: 214,
        subscriptions: 530,
        deliveries_per_second: 4_210.5,
        publishes_per_second: 88,
      },
    }),
  ],
});
