import { ROLES } from '@millrace/protocol';
import Type from 'typebox';
import { bound, duration, section, text } from './section.ts';

const AllowedCommand = section('A command that may be run.', {
  name: Type.String({
    pattern: '^[A-Za-z0-9_-]{1,64}$',
    description: 'What requests call it.',
  }),
  command: text('The program, started without a shell: a path, or a name that is looked for in `PATH`.'),
  args: Type.Optional(Type.Array(Type.String(), { description: 'Its first arguments.' })),
  allowArgs: Type.Optional(
    Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String())], {
      description:
        'What a request may add: each argument must match this regular expression as a whole, or be one of this list. Nothing when missing.',
    }),
  ),
  cwd: Type.Optional(
    text('The folder it runs in; a request may name one below it. The server’s own when missing.'),
  ),
  env: Type.Optional(
    Type.Array(text('A name.'), { description: 'Variables that a request may set. None when missing.' }),
  ),
  passEnv: Type.Optional(
    Type.Array(text('A name.'), {
      description:
        'Variables of the server that it gets beside the harmless ones (`PATH`, `HOME`, `LANG` and their like).',
    }),
  ),
  timeout: Type.Optional(duration('It is cancelled after so long; a request may ask for less.')),
  maxRunning: bound('How many of it may run at a time; any number when missing.'),
  stdin: Type.Optional(
    Type.Boolean({
      description:
        'Whether those with the role may type into it; `false` when missing: its input is empty. On a terminal they may.',
    }),
  ),
  pty: Type.Optional(
    Type.Boolean({ description: 'Whether a request may ask for a terminal; `true` when missing.' }),
  ),
  entities: Type.Optional(
    Type.Array(text('An entity.'), {
      description: 'Whose members may run it; `default` alone when missing.',
    }),
  ),
});

export const ProcessesSchema = section(
  'Commands that may be run by `POST /api/v1/processes`; without any, none may.',
  {
    roles: Type.Array(Type.Enum([...ROLES]), {
      default: ['admin'],
      description:
        'Who may run them, type into them, send them signals and cancel them; also what `millrace run` runs.',
    }),
    commands: Type.Array(AllowedCommand, { default: [], description: 'The commands.' }),
    grace: duration('What a command that is cancelled has from SIGTERM to SIGKILL.', '10s'),
  },
);
