import { constants } from 'node:os';
import { type ControlEvents, formatPosition, MillraceError, type PublishResult } from '@millrace/protocol';
import type { FastifyRequest } from 'fastify';
import Type from 'typebox';
import type { Identity } from '../../auth/identity.ts';
import type { RunningProcess } from '../../process/running-process.ts';
import type { AuditedAction } from '../../services/audit.ts';
import { actorOf, type Guard, identityOf } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { guardedAnswers, SECURED } from './route-docs.ts';
import { createShapeCheck } from './shape-check.ts';

const MAX_ARGS = 64;
const MAX_TEXT = 4096;
/** Of what is typed at once. */
const MAX_TYPED = 16_384;
/** The largest terminal that there is. */
const MAX_SIZE = 1000;

/** The system ends texts at a NUL. */
const WITHOUT_NUL = '^[^\\u0000]*$';
const Argument = Type.String({ maxLength: MAX_TEXT, pattern: WITHOUT_NUL });
const Size = {
  columns: Type.Integer({ minimum: 1, maximum: MAX_SIZE }),
  rows: Type.Integer({ minimum: 1, maximum: MAX_SIZE }),
};

const RunShape = Type.Object(
  {
    command: Type.String({ description: 'The name of a command that the configuration allows.' }),
    args: Type.Optional(
      Type.Array(Argument, {
        maxItems: MAX_ARGS,
        description: 'Further arguments, as far as the command allows them.',
      }),
    ),
    cwd: Type.Optional({ ...Argument, description: 'A folder below the command’s own.' }),
    env: Type.Optional(
      Type.Record(Type.String({ maxLength: 255, pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }), Argument, {
        description: 'Variables that the command allows to be set.',
      }),
    ),
    pty: Type.Optional(
      Type.Object(Size, {
        description: 'Give it a terminal of this size, on which stdout and stderr are one.',
      }),
    ),
    timeout: Type.Optional(
      Type.String({
        description:
          'Cancel it after so long, if the command’s own timeout is not sooner: `500ms`, `30s`, `10m`.',
      }),
    ),
  },
  {
    description: 'What to run. Unknown fields are ignored.',
    examples: [{ command: 'build', args: ['--release'], pty: { columns: 120, rows: 40 }, timeout: '10m' }],
  },
);

const StdinShape = Type.Object(
  {
    data: Type.String({
      maxLength: MAX_TYPED,
      description: 'What is typed; on a terminal `\\r` is the Enter key, `\\u0003` Ctrl-C.',
    }),
    encoding: Type.Optional(
      Type.Literal('base64', { description: 'Where `data` is base64 of bytes that are no text.' }),
    ),
    end: Type.Optional(
      Type.Literal(true, { description: 'Nothing more will be typed: its input ends after this.' }),
    ),
  },
  { description: 'What is typed.', examples: [{ data: 'yes\n' }] },
);

const SignalShape = Type.Object(
  { signal: Type.String({ maxLength: 16, description: 'Its name, such as `SIGINT`.' }) },
  {
    description: 'The signal, for the command and everything that it started.',
    examples: [{ signal: 'SIGINT' }],
  },
);

const ResizeShape = Type.Object(Size, { description: 'The size of its terminal, in characters.' });

const Place = {
  topic: Type.String({ description: 'Where it was written.' }),
  position: Type.String({ description: 'The place of that event.', examples: ['dk3f9-1:1'] }),
};
const StartedShape = Type.Object(
  { id: Type.String({ description: 'The execution’s id.' }), ...Place },
  {
    description:
      'It runs, or has failed to start as its topic says: subscribe to `topic` from the beginning.',
  },
);
const ToldShape = Type.Object(Place, { description: 'Whoever runs it is told, over its control topic.' });

const ProcessShape = Type.Object(
  {
    id: Type.String(),
    topic: Type.String({ description: 'Its life and output.' }),
    state: Type.Enum(['running', 'ended']),
    command: Type.Optional(
      Type.String({ description: 'The name of the allowed command; missing under `millrace run`.' }),
    ),
    args: Type.Optional(Type.Array(Type.String())),
    pid: Type.Optional(Type.Integer()),
    pty: Type.Optional(Type.Object(Size)),
    startedBy: Type.Optional(Type.String()),
    startedAt: Type.Optional(Type.String()),
    exitCode: Type.Optional(Type.Integer()),
    signal: Type.Optional(Type.String()),
  },
  { description: 'A process.' },
);
type ProcessBody = Type.Static<typeof ProcessShape>;

const ProcessParams = Type.Object({
  id: Type.String({ description: 'The execution’s id, as `tool.started` says it.' }),
});

const describe = <Extra extends object>(
  operationId: string,
  summary: string,
  description: string,
  more: Extra,
) => ({
  ...SECURED,
  operationId,
  tags: ['Processes'],
  summary,
  description: `${description} Needs a role of \`processes.roles\` (\`admin\` by default).`,
  ...more,
});

const REFUSALS = ['bad-message', 'forbidden', 'not-found', 'unavailable', 'unknown', 'storage-full'] as const;

const RunSchema = describe(
  'runProcess',
  'Run a command',
  'Runs one of the commands that the configuration allows, without a shell, and records its life and output on a topic of its own, which its end seals.',
  {
    body: RunShape,
    response: { 202: StartedShape, ...guardedAnswers(...REFUSALS, 'not-supported', 'too-large') },
  },
);
const ListSchema = describe(
  'listProcesses',
  'List processes',
  'Those that this node runs, and the newest that have ended. What runs under `millrace run` is not in the list.',
  {
    response: {
      200: Type.Object({ processes: Type.Array(ProcessShape) }, { description: 'The newest first.' }),
      ...guardedAnswers('forbidden'),
    },
  },
);
const ReadSchema = describe(
  'readProcess',
  'Read about a process',
  'What runs under an id, also under `millrace run`.',
  { params: ProcessParams, response: { 200: ProcessShape, ...guardedAnswers('forbidden', 'not-found') } },
);

const describeControl = <Body extends Type.TSchema>(
  operationId: string,
  summary: string,
  description: string,
  body: Body,
) =>
  describe(operationId, summary, description, {
    params: ProcessParams,
    body,
    response: { 202: ToldShape, ...guardedAnswers(...REFUSALS) },
  });
const StdinSchema = describeControl(
  'typeIntoProcess',
  'Type into a process',
  'Writes to its input.',
  StdinShape,
);
const SignalSchema = describeControl(
  'signalProcess',
  'Send a signal',
  'To the command and everything that it started.',
  SignalShape,
);
const ResizeSchema = describeControl(
  'resizeProcess',
  'Resize a terminal',
  'Of a command that has one.',
  ResizeShape,
);
const CancelSchema = describe(
  'cancelProcess',
  'Cancel a process',
  'SIGTERM to the command and everything that it started, and SIGKILL after a grace. Its topic tells when it has ended.',
  { params: ProcessParams, response: { 202: ToldShape, ...guardedAnswers(...REFUSALS) } },
);

const checkRun = createShapeCheck(RunShape);
const checkStdin = createShapeCheck(StdinShape);
const checkSignal = createShapeCheck(SignalShape);
const checkResize = createShapeCheck(ResizeShape);

export function addProcessRoutes(router: HttpRouter, guard: Guard, { processes, audit }: HttpContext): void {
  /** Who sent the request, when they may speak to what runs under an id. */
  const permitted = (request: FastifyRequest, id: string): Identity => {
    const identity = identityOf(request);
    processes.assertPermitted(identity, id);
    return identity;
  };

  /** Tells what runs under an id what somebody wants of it, on the record. */
  const tell = async <Name extends keyof ControlEvents>(
    request: FastifyRequest,
    {
      id,
      action,
      detail,
    }: { readonly id: string; readonly action: AuditedAction; readonly detail?: Record<string, string> },
    event: Name,
    data: ControlEvents[Name],
  ): Promise<Type.Static<typeof ToldShape>> => {
    const { entityId } = permitted(request, id);
    const target = { processId: id, ...detail };
    return placeOf(
      await audit.run(actorOf(request), { action, target }, () => processes.tell(entityId, id, event, data)),
    );
  };

  router.post('/api/v1/processes', { ...guard, schema: RunSchema }, async (request, reply) => {
    const asked = checkRun(request.body, '');
    const id = processes.newId(asked.command);
    const identity = permitted(request, id);
    const target = { command: asked.command, args: JSON.stringify(asked.args ?? []), processId: id };
    const started = await audit.run(actorOf(request), { action: 'run-process', target }, () =>
      processes.run(identity, id, asked),
    );
    return reply.code(202).send({ ...started, position: formatPosition(started.position) });
  });

  router.get('/api/v1/processes', { ...guard, schema: ListSchema }, async (request) => {
    const { entityId } = permitted(request, 'any');
    return { processes: processes.list(entityId).map(toBody) };
  });

  router.get('/api/v1/processes/:id', { ...guard, schema: ReadSchema }, async (request) => {
    const { id } = request.params;
    const { entityId } = permitted(request, id);
    const process = processes.find(entityId, id);
    if (process !== undefined) return toBody(process);
    if (await processes.isRunning(entityId, id))
      return { id, topic: processes.topicOf(id), state: 'running' as const };
    throw new MillraceError('not-found', `nothing runs under the id ${JSON.stringify(id)}`);
  });

  router.post('/api/v1/processes/:id/stdin', { ...guard, schema: StdinSchema }, async (request, reply) => {
    const { id } = request.params;
    const typed = checkStdin(request.body, '');
    // What is typed may be a password: the record has how much it was.
    const about = { id, action: 'type-into-process', detail: { length: String(typed.data.length) } } as const;
    const data = { execution_id: id, ...typed, user_id: identityOf(request).userId };
    return reply.code(202).send(await tell(request, about, 'control.stdin', data));
  });

  router.post('/api/v1/processes/:id/signal', { ...guard, schema: SignalSchema }, async (request, reply) => {
    const { id } = request.params;
    const { signal } = checkSignal(request.body, '');
    if (!Object.hasOwn(constants.signals, signal)) {
      throw new MillraceError(
        'bad-message',
        `there is no signal ${JSON.stringify(signal)}; write SIGINT, SIGHUP or another of its kind`,
        {
          details: { path: '/signal' },
        },
      );
    }
    const about = { id, action: 'signal-process', detail: { signal } } as const;
    const data = { signal, user_id: identityOf(request).userId };
    return reply.code(202).send(await tell(request, about, 'control.signal', data));
  });

  router.post('/api/v1/processes/:id/resize', { ...guard, schema: ResizeSchema }, async (request, reply) => {
    const { id } = request.params;
    const { columns, rows } = checkResize(request.body, '');
    const about = { id, action: 'resize-process', detail: { size: `${columns}x${rows}` } } as const;
    const data = { columns, rows, user_id: identityOf(request).userId };
    return reply.code(202).send(await tell(request, about, 'control.resize', data));
  });

  router.delete('/api/v1/processes/:id', { ...guard, schema: CancelSchema }, async (request, reply) => {
    const { id } = request.params;
    const data = { id, user_id: identityOf(request).userId };
    return reply
      .code(202)
      .send(await tell(request, { id, action: 'cancel-process' }, 'control.cancel', data));
  });
}

function placeOf({ topic, epoch, offset }: PublishResult): Type.Static<typeof ToldShape> {
  return { topic, position: formatPosition({ epoch, offset }) };
}

function toBody({ facts, pid, outcome }: RunningProcess): ProcessBody {
  const { id, topic, command, args, pty, startedBy, startedAt } = facts;
  const signal = outcome?.kind === 'exited' ? outcome.signal : undefined;
  return {
    id,
    topic,
    state: outcome === undefined ? 'running' : 'ended',
    command,
    args: [...args],
    ...(pid !== undefined && { pid }),
    ...(pty !== undefined && { pty }),
    startedBy,
    startedAt: new Date(startedAt).toISOString(),
    ...(outcome !== undefined && { exitCode: outcome.exitCode }),
    ...(signal !== undefined && { signal }),
  };
}
