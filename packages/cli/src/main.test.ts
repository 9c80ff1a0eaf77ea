import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Millrace } from '../test/millrace.ts';

// Each test is several processes.
vi.setConfig({ testTimeout: 60_000 });

const COMMANDS = ['serve', 'pub', 'sub', 'inbox', 'listen', 'run', 'token', 'config'];

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'millrace-main-'));
});
afterAll(() => rmSync(cwd, { recursive: true }));

const run = (...args: readonly string[]) => new Millrace(args, { cwd }).finished;

test.each(COMMANDS)('%s has a help of its own, and does nothing', async (command) => {
  const { stdout, stderr, code } = await run(command, '--help');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(String(stdout)).toMatch(new RegExp(`^Usage: millrace ${command} `));
});

test('the help names every command, in this order', async () => {
  const { stdout, code } = await run('--help');
  expect(code).toBe(0);
  const [, commands = ''] = String(stdout).split('Commands:');
  const named = [...commands.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name);
  expect(named.filter((name) => name !== 'help')).toEqual(COMMANDS);
  expect(String((await run('help', 'pub')).stdout)).toMatch(/^Usage: millrace pub /);
});

test.each(['--version', '-V'])('%s is the version', async (flag) => {
  const { stdout, code } = await run(flag);
  expect(code).toBe(0);
  expect(String(stdout)).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('a command that there is not is refused, with the one that was meant', async () => {
  const { stderr, code } = await run('serv');
  expect(stderr).toContain("unknown command 'serv'");
  expect(stderr).toContain('Did you mean serve?');
  expect(code).toBe(2);
});

test('a configuration whose host is no address is told of by its message', async () => {
  writeFileSync(
    join(cwd, 'millrace.config.json'),
    JSON.stringify({ server: { host: 'my host' }, auth: { secret: 'x'.repeat(40) } }),
  );
  const { stderr, code } = await run('pub', 'a', 'x');
  expect(stderr).toMatch(/"http:\/\/my host:\d+" is not an address/);
  expect(stderr).not.toContain('    at ');
  expect(code).toBe(2);
});
