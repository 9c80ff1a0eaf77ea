import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { alertsView } from '../views/alerts.ts';
import { count, id, number, text } from './fields.ts';

const time = (description: string) => Type.Optional(text(`${description} ISO 8601.`));

export const alertFamily = eventFamily({
  name: 'alert',
  description: 'What somebody should look at.',
  topics: ['system.alerts'],
  view: alertsView,
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
          description:
            'What came of that: `pending`, `running`, `succeeded`, `failed`, `timed-out`, `interrupted` (the server ended meanwhile, and it is not repeated), `skipped` (it was resolved before); `null` when nothing can be done.',
        }),
        auto_remediation_detail: Type.Optional(text('Why: an exit code, an HTTP status.')),
        state: Type.Optional(text('`firing`, `resolved`. Without it the alert is a notice that never ends.')),
        change: Type.Optional(
          text(
            'What this event tells: `fired`, `remediation` (its status changed), `acknowledged`, `resolved`.',
          ),
        ),
        revision: Type.Optional(count('Counts the events of this incident, from 1.')),
        reason: Type.Optional(text('Why it fired: `threshold`, or `no-data` when nothing was heard.')),
        value: Type.Optional(number('What was measured when it fired.')),
        threshold: Type.Optional(number('What it was held to.')),
        topic: Type.Optional(text('Where it was measured.')),
        fired_at: time('When it fired.'),
        acknowledged_at: time('When somebody said that they know.'),
        acknowledged_by: Type.Optional(text('Who.')),
        resolved_at: time('When it was over.'),
        resolve_reason: Type.Optional(
          text('Why: `recovered`, `no-data`, `rule-removed` (nobody watches it any more).'),
        ),
        resolved_value: Type.Optional(number('What was measured when it was over.')),
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
        state: 'firing',
        change: 'fired',
        revision: 1,
        reason: 'threshold',
        value: 1240,
        threshold: 1000,
        fired_at: '2026-11-20T12:00:00.000Z',
      },
    }),
  ],
});
