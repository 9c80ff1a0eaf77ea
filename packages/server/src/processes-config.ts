import { DEFAULT_ENTITY } from './auth/identity.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import { durationMs, parseDuration } from './duration.ts';
import type { Engine } from './engine/engine.ts';
import { randomBase36 } from './engine/event-id.ts';
import type { AllowedCommand } from './process/allowed-command.ts';
import { Processes } from './process/processes.ts';
import type { Connections } from './session/connections.ts';
import type { Publisher } from './session/publisher.ts';

type CommandConfig = Config['processes']['commands'][number];

/** A pattern is for the whole of an argument. Throws a `SyntaxError` for one that is none. */
function argPattern(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`, 'u');
}

function argCheck({ allowArgs }: CommandConfig): (arg: string) => boolean {
  if (allowArgs === undefined) return () => false;
  if (typeof allowArgs !== 'string') return (arg) => allowArgs.includes(arg);
  const pattern = argPattern(allowArgs);
  return (arg) => pattern.test(arg);
}

function toAllowed(command: CommandConfig): AllowedCommand {
  return {
    name: command.name,
    command: command.command,
    args: command.args ?? [],
    permitsArg: argCheck(command),
    cwd: command.cwd,
    env: command.env ?? [],
    passEnv: command.passEnv ?? [],
    timeoutMs: command.timeout === undefined ? undefined : durationMs(command.timeout),
    maxRunning: command.maxRunning,
    stdin: command.stdin ?? false,
    pty: command.pty ?? true,
    entities: command.entities ?? [DEFAULT_ENTITY],
  };
}

/** What no schema says of the configuration. */
export function processProblems({ commands }: Config['processes']): string[] {
  const problems: string[] = [];
  const names = new Set<string>();
  for (const [i, { name, allowArgs }] of commands.entries()) {
    if (names.has(name)) problems.push(`processes.commands[${i}].name "${name}" is taken by another command`);
    names.add(name);
    if (typeof allowArgs !== 'string') continue;
    try {
      argPattern(allowArgs);
    } catch (error) {
      problems.push(`processes.commands[${i}].allowArgs is no pattern: ${(error as Error).message}`);
    }
  }
  return problems;
}

/** The commands that may be run, and those that run. */
export async function startProcesses(
  { processes, limits }: Config,
  parts: {
    engine: Engine;
    publisher: Publisher;
    clock: Clock;
    connections: Connections;
    onError: (error: unknown, doing: string) => void;
  },
): Promise<Processes> {
  const { connections, ...rest } = parts;
  const service = new Processes({
    ...rest,
    nodeId: randomBase36(8),
    roles: processes.roles,
    commands: processes.commands.map(toAllowed),
    graceMs: durationMs(processes.grace),
    maxEventBytes: limits.maxMessageBytes,
    readDuration: parseDuration,
    env: process.env,
    isFollowed: (entity, topic) =>
      connections
        .all()
        .some(
          ({ identity, subscriptions }) => identity?.entityId === entity && subscriptions.includes(topic),
        ),
  });
  await service.start();
  return service;
}
