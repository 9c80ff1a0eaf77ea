import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { id, text } from './fields.ts';

export const alertFamily = eventFamily({
  name: 'alert',
  description: 'What somebody should look at.',
  topics: ['system.alerts'],
  events: [
    eventType({
      name: 'system_alert',
      description: 'An incident began, changed or ended.',
      data: Type.Object({
        alert_id: id('The incident.'),
        severity: text('`info`, `warning`, `critical`.'),
        category: text('What it is about: `performance`, `connectivity`, `capacity`.'),
        source: text('What raised it.'),
        message: text('What is wrong, for people.'),
        affected_portals: Type.Array(Type.String(), { description: 'Where it is wrong.' }),
        recommended_action: text('What to do.'),
        auto_remediation_attempted: Type.Boolean({
          description: 'Whether something was done about it already.',
        }),
        auto_remediation_status: Type.Union([Type.String(), Type.Null()], {
          description: 'What came of that.',
        }),
      }),
      example: {
        alert_id: 'al-19',
        severity: 'warning',
        category: 'performance',
        source: 'latency-high',
        message: 'latency of portal-07 is 1,240 ms',
        affected_portals: ['portal-07'],
        recommended_action: 'look at the portal’s load',
        auto_remediation_attempted: false,
        auto_remediation_status: null,
      },
    }),
  ],
});
