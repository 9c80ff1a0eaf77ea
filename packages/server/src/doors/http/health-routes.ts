import { MillraceError } from '@millrace/protocol';
import Type from 'typebox';
import type { Clock } from '../../clock.ts';
import type { HealthCheck, HttpContext, HttpRouter } from './http-context.ts';
import { problemAnswers } from './route-docs.ts';

/** After which a check has failed. */
const CHECK_TIMEOUT_MS = 2000;

const CheckResult = Type.Object({
  name: Type.String(),
  status: Type.Enum(['ok', 'failed']),
  ms: Type.Integer({ minimum: 0, description: 'How long it took.' }),
});
type CheckResult = Type.Static<typeof CheckResult>;

const Alive = Type.Object({ status: Type.Literal('ok') }, { description: 'Yes.' });

const LiveSchema = {
  operationId: 'livez',
  tags: ['Operations'],
  summary: 'Is the process alive?',
  description:
    'Answers as long as the event loop turns, also while the server drains: restart it when this fails.',
  response: { 200: Alive },
} as const;

const ReadySchema = {
  operationId: 'readyz',
  tags: ['Operations'],
  summary: 'May clients be sent here?',
  description: 'The log answers and the server is not draining.',
  response: { 200: Alive, ...problemAnswers('draining', 'unavailable') },
} as const;

const HealthSchema = {
  operationId: 'healthz',
  tags: ['Operations'],
  summary: 'Health, in detail',
  description: 'As `/readyz`; with `?verbose` each check stands by itself.',
  querystring: Type.Object({ verbose: Type.Optional(Type.String({ description: 'Any value, or none.' })) }),
  response: {
    200: Type.Object(
      {
        status: Type.Literal('ok'),
        version: Type.Optional(Type.String()),
        uptime_seconds: Type.Optional(Type.Integer()),
        checks: Type.Optional(Type.Array(CheckResult)),
      },
      { description: 'All is well.' },
    ),
    ...problemAnswers('draining', 'unavailable'),
  },
} as const;

export function addHealthRoutes(router: HttpRouter, context: HttpContext): void {
  const { doorway, engine, operatorEntity, version, healthChecks = [] } = context;
  const { clock } = doorway.sessions;
  const startedMs = clock.monotonic();
  const engineCheck: HealthCheck = {
    name: 'engine',
    check: async () => {
      await engine.cursor(operatorEntity);
    },
  };

  const assertReady = async (): Promise<CheckResult[]> => {
    const checks = await Promise.all([engineCheck, ...healthChecks].map((check) => run(check, clock)));
    if (doorway.draining) {
      throw new MillraceError('draining', 'the server is shutting down', { details: { checks } });
    }
    const failed = checks.filter(({ status }) => status === 'failed').map(({ name }) => name);
    if (failed.length > 0) {
      throw new MillraceError('unavailable', `not working: ${failed.join(', ')}`, { details: { checks } });
    }
    return checks;
  };

  router.get('/livez', { schema: LiveSchema }, async () => ({ status: 'ok' }) as const);

  router.get('/readyz', { schema: ReadySchema }, async () => {
    await assertReady();
    return { status: 'ok' } as const;
  });

  router.get('/healthz', { schema: HealthSchema }, async (request) => {
    const checks = await assertReady();
    if (request.query.verbose === undefined) return { status: 'ok' } as const;
    const uptime_seconds = Math.floor((clock.monotonic() - startedMs) / 1000);
    return { status: 'ok', version, uptime_seconds, checks } as const;
  });
}

/** Never rejects; not even when the check throws at once. */
async function run(health: HealthCheck, clock: Clock): Promise<CheckResult> {
  const startMs = clock.monotonic();
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = clock.after(CHECK_TIMEOUT_MS, () => reject(new Error('took too long')));
  const checked = (async () => health.check())();
  const [{ status }] = await Promise.allSettled([Promise.race([checked, late])]);
  timer.cancel();
  return {
    name: health.name,
    status: status === 'fulfilled' ? 'ok' : 'failed',
    ms: Math.round(clock.monotonic() - startMs),
  };
}
