import { MillraceError } from '@millrace/protocol';
import Type from 'typebox';
import { ALERTS_TOPIC } from '../../alerts/incident.ts';
import type { Identity } from '../../auth/identity.ts';
import { actorOf, type Guard, identityOf } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { guardedAnswers, SECURED } from './route-docs.ts';

const Alert = Type.Unsafe<object>(
  Type.Object(
    {
      alert_id: Type.String(),
      severity: Type.String({ description: '`info`, `warning`, `critical`.' }),
      source: Type.String({ description: 'The rule.' }),
      message: Type.String(),
      state: Type.String({ description: '`firing`, `resolved`.' }),
      fired_at: Type.String({ description: 'ISO 8601.' }),
    },
    { description: 'As the data of `system_alert`, which has more.' },
  ),
);

const ListSchema = {
  ...SECURED,
  operationId: 'listAlerts',
  tags: ['Alerts'],
  summary: 'List alerts',
  description: `The alerts of the token’s entity that are firing, oldest first. Needs a token that may read \`${ALERTS_TOPIC}\`.`,
  response: {
    200: Type.Object({ alerts: Type.Array(Alert) }, { description: 'All of them.' }),
    ...guardedAnswers('forbidden'),
  },
} as const;

const AcknowledgeSchema = {
  ...SECURED,
  operationId: 'acknowledgeAlert',
  tags: ['Alerts'],
  summary: 'Acknowledge an alert',
  description: [
    'Says, to everybody who sees the alert, that the token’s user knows of it; the first to say so is named. Needs a token that',
    `may publish to \`${ALERTS_TOPIC}\`.`,
  ].join('\n'),
  params: Type.Object({ id: Type.String({ description: 'The alert’s `alert_id`.' }) }),
  response: {
    200: Type.Unsafe<object>({ ...Alert, description: 'The alert as it is now.' }),
    ...guardedAnswers('forbidden', 'not-found'),
  },
} as const;

export function addAlertRoutes(router: HttpRouter, guard: Guard, { alerts, audit }: HttpContext): void {
  router.get('/api/v1/alerts', { ...guard, schema: ListSchema }, async (request) => {
    const { entityId } = permitted(identityOf(request), 'maySubscribe');
    return { alerts: [...(alerts?.active(entityId) ?? [])] };
  });

  router.post('/api/v1/alerts/:id/acknowledge', { ...guard, schema: AcknowledgeSchema }, async (request) => {
    const { entityId, userId } = permitted(identityOf(request), 'mayPublish');
    const { id } = request.params;
    return audit.run(actorOf(request), { action: 'acknowledge-alert', target: { alertId: id } }, async () => {
      if (alerts !== undefined) return alerts.acknowledge(entityId, id, userId);
      throw new MillraceError('not-found', 'this server watches nothing: alerts.enabled is false');
    });
  });
}

function permitted(identity: Identity, verb: 'maySubscribe' | 'mayPublish'): Identity {
  if (identity.permissions[verb](ALERTS_TOPIC)) return identity;
  const what = verb === 'mayPublish' ? 'publishing to' : 'reading';
  throw new MillraceError('forbidden', `the token does not permit ${what} "${ALERTS_TOPIC}"`, {
    details: { topic: ALERTS_TOPIC },
  });
}
