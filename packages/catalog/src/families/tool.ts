import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { toolView } from '../views/tool.ts';
import { count, durationMs, id, producedAt, text } from './fields.ts';

const execution_id = id('The run.');
const exit_code = Type.Integer({
  description: 'The exit status; 128 and the signal’s number when a signal ended it.',
});

export const toolFamily = eventFamily({
  name: 'tool',
  description: 'A command that runs, what it writes, and how it ends; one sealed topic a run.',
  topics: ['tool.*'],
  view: toolView,
  events: [
    eventType({
      name: 'tool.started',
      description: 'A command was started.',
      data: Type.Object({
        execution_id,
        command: Type.Optional(text('The program.')),
        args: Type.Optional(Type.Array(Type.String(), { description: 'Its arguments.' })),
        cwd: Type.Optional(text('The folder it runs in.')),
        pid: Type.Optional(Type.Integer({ description: 'Its process id.' })),
        pty: Type.Optional(
          Type.Object(
            { columns: count('Characters a line.'), rows: count('Lines.') },
            { description: 'The terminal that it has; its stdout and stderr are one then.' },
          ),
        ),
        control: Type.Optional(
          Type.Array(Type.String(), {
            description:
              'What those who may control it can do over its control topic: `cancel`, `signal`, `stdin`, `resize`.',
          }),
        ),
        name: Type.Optional(
          text('The name that the configuration gives the command, where the server runs it.'),
        ),
        started_by: Type.Optional(text('Who asked the server to run it.')),
        producedAt,
      }),
      example: { execution_id: '7f3a', command: 'npm', args: ['test'], cwd: '/app', pid: 4711 },
    }),
    eventType({
      name: 'tool.output',
      description:
        'A command wrote something. All outputs of one stream, joined, are its output byte for byte.',
      data: Type.Object({
        execution_id,
        output: text('What it wrote.'),
        is_stderr: Type.Boolean({ description: 'Whether on its error stream.' }),
        encoding: Type.Optional(
          Type.Literal('base64', {
            description: 'Present where the bytes are not UTF-8: `output` is base64.',
          }),
        ),
        producedAt,
      }),
      example: { execution_id: '7f3a', output: '42 passed\n', is_stderr: false },
    }),
    eventType({
      name: 'tool.completed',
      description: 'A command ended by itself or by a signal.',
      data: Type.Object({
        execution_id: Type.Optional(execution_id),
        exit_code,
        duration_ms: durationMs('From its start.'),
        signal: Type.Optional(text('The signal that ended it.')),
        reason: Type.Optional(text('Why it was told to end: `cancelled`, `timeout`, `server-stopping`.')),
        cancelled_by: Type.Optional(text('Who cancelled it.')),
        note: Type.Optional(text('What they said about it.')),
        producedAt,
      }),
      example: { execution_id: '7f3a', exit_code: 0, duration_ms: 8_120 },
    }),
    eventType({
      name: 'tool.failed',
      description: 'A command could not be run, or nobody knows how it ended.',
      data: Type.Object({
        execution_id,
        error: text('Why.'),
        exit_code: Type.Optional(exit_code),
        reason: Type.Optional(
          text(
            'Why nobody knows how it ended: `server-restarted`, or `recorder-lost` when `millrace run` was killed.',
          ),
        ),
        producedAt,
      }),
      example: { execution_id: '7f3a', error: 'npx: command not found', exit_code: 127 },
    }),
  ],
});
