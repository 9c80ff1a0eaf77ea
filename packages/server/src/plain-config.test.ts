import { describe, expect, test } from 'vitest';
import { ConfigError, resolveConfig } from './config.ts';
import { plainClients } from './plain-config.ts';

function problemsOf(plain: object): readonly string[] {
  try {
    resolveConfig({ plain });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('what plain clients find', () => {
  test('is configured beside what is built in', () => {
    const config = resolveConfig({
      plain: {
        aliases: { money: 'transactions.*', alerts: 'alerts' },
        paths: { '/': { topics: ['money'] }, '/ws': {} },
      },
    });
    const { aliases, paths } = plainClients(config);
    expect(Object.fromEntries(aliases)).toEqual({
      consciousness: 'metrics.consciousness',
      agents: 'agents.status',
      workflows: 'workflows.execution',
      alerts: 'alerts',
      money: 'transactions.*',
    });
    expect(paths.get('/')).toEqual({ format: 'flat', topics: ['transactions.*'] });
    expect(paths.get('/ws')).toEqual({ format: 'native', topics: [] });
  });

  test.each([
    [{ aliases: { 'no topic': 'a' } }, 'plain.aliases'],
    [{ aliases: { a: 'b..c' } }, 'plain.aliases.a "b..c"'],
    [{ paths: { ws: {} } }, 'plain.paths'],
    [{ paths: { '/a?b': {} } }, 'plain.paths'],
    [{ paths: { '/a/b': { topics: ['é'] } } }, 'plain.paths./a/b.topics "é"'],
    [{ paths: { '/a/b': { format: 'fancy' } } }, 'plain.paths./a/b.format must be one of flat, native'],
    [{ paths: { '/a/b': { colour: 'red' } } }, 'plain.paths./a/b.colour is not an option'],
  ])('%o is refused, naming what is wrong', (plain, problem) => {
    const problems = problemsOf(plain);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });
});
