import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Millrace } from '../test/millrace.ts';

const workspace = join(import.meta.dirname, '../../..');
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const hasBrowser = existsSync(executablePath);
if (!hasBrowser) {
  if (process.env.CI) throw new Error(`the dashboard's tests need Chromium at ${executablePath}`);
  console.warn(`SKIPPED: no Chromium at ${executablePath}, so the dashboard is not tested in a browser`);
}

const DEADLINE = 20_000;
/** More than what is sent uncompressed. */
const LONG_TEXT = 'Step 3 of 9 is done, all tests pass; ж. '.repeat(200);

let folder: string;
let port: number;
let server: Millrace;
let link: string;
let browser: BrowserContext;
let page: Page;
const problems: string[] = [];
const running = new Set<Millrace>();

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port: free } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return free;
}

async function startServer(): Promise<void> {
  server = new Millrace(['serve', '--port', String(port), '--data', join(folder, 'data')]);
  [, link = ''] = await server.waitFor(/dashboard\s+(http\S+#token=\S+)/);
}

/** A `millrace` command that talks to the server. */
function millrace(...args: readonly string[]): Millrace {
  const [url = '', token = ''] = link.split('/#token=');
  const started = new Millrace(args, { MILLRACE_URL: url, MILLRACE_TOKEN: token });
  running.add(started);
  return started;
}

/** `millrace run` of a script of Node's. */
function run(topic: string, script: string): Millrace {
  return millrace('run', '--topic', topic, '--', process.execPath, '-e', script);
}

async function openDashboard(hash = '#/'): Promise<void> {
  await page.goto(link);
  await page.locator('[data-connection=connected]').waitFor({ timeout: DEADLINE });
  await page.evaluate((to) => {
    window.location.hash = to;
  }, hash);
}

/** Retries a reading until it is as expected; a page has no event for "has been drawn". */
const poll = <Value>(read: () => Promise<Value>) => expect.poll(read, { timeout: DEADLINE, interval: 50 });

const lines = (): Locator => page.locator('.log-row .log-text');

describe.skipIf(!hasBrowser)('the dashboard', { timeout: 60_000 }, () => {
  beforeAll(async () => {
    const built = spawnSync(process.execPath, [join(workspace, 'scripts/ensure-dashboard.ts')], {
      cwd: workspace,
      stdio: 'inherit',
    });
    expect(built.status).toBe(0);
    folder = mkdtempSync(join(tmpdir(), 'millrace-dashboard-'));
    port = await freePort();
    await startServer();
    browser = await chromium.launchPersistentContext(join(folder, 'profile'), {
      executablePath,
      headless: true,
      acceptDownloads: true,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    await browser.grantPermissions(['clipboard-read', 'clipboard-write']);
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await server?.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    problems.length = 0;
    page = await browser.newPage();
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
  });

  afterEach(async () => {
    await page.close();
    for (const started of running) await started.kill();
    running.clear();
  });

  test('shows the figures of the host, moving, and keeps no token in the address', async () => {
    await openDashboard();
    expect(page.url()).not.toContain('token');
    const values = page.locator('.stat-value');
    await values.first().waitFor({ timeout: DEADLINE });
    const before = await values.allTextContents();
    expect(before).toHaveLength(6);
    await poll(() => values.allTextContents()).not.toEqual(before);
    await poll(() => page.locator('.time-chart canvas').count()).toBe(4);
    await page.reload();
    await page.locator('[data-connection=connected]').waitFor({ timeout: DEADLINE });
    expect(problems).toEqual([]);
  });

  test('shows a command while it runs, then its exit state', async () => {
    const go = join(folder, 'go');
    const script = `
      console.log('\\x1b[32mfirst\\x1b[0m line');
      console.error('a warning');
      const timer = setInterval(() => {
        if (!require('node:fs').existsSync(${JSON.stringify(go)})) return;
        clearInterval(timer);
        process.stdout.write('50 %\\r100 %\\nlast line');
        process.exitCode = 3;
      }, 20);`;
    const command = run('tool.watched', script);
    await openDashboard('#/tools');
    await page.getByRole('link', { name: 'Running' }).click({ timeout: DEADLINE });
    await poll(() => lines().allTextContents()).toEqual(['first line', 'stderr: a warning']);
    expect(await page.locator('.ansi-green-fg').textContent()).toBe('first');
    expect(await page.locator('.log-row[data-stderr=true]').count()).toBe(1);

    writeFileSync(go, '');
    expect(await command.finished).toBe(3);
    await page.getByText('Exit 3').waitFor({ timeout: DEADLINE });
    expect(await lines().allTextContents()).toEqual([
      'first line',
      'stderr: a warning',
      '100 %',
      'last line',
    ]);
    await page.getByRole('link', { name: 'All commands' }).click();
    await page.getByRole('link', { name: 'Exit 3' }).waitFor({ timeout: DEADLINE });
    expect(problems).toEqual([]);
  });

  test('holds 12,000 lines with few elements, finds in them, and downloads the exact bytes', async () => {
    const script = `
      let text = '';
      for (let i = 1; i <= 12000; i++) text += \`line \${i} of \\x1b[36mmany\\x1b[0m\\r\\n\`;
      process.stdout.write(Buffer.concat([Buffer.from(text), Buffer.from([0xff, 0xfe, 0x0a])]));`;
    expect(await run('tool.long', script).finished).toBe(0);
    await openDashboard('#/tools/tool.long');
    await page.getByText('Exit 0').waitFor({ timeout: DEADLINE });
    await poll(() => lines().last().textContent()).toBe('\ufffd\ufffd');
    expect(await lines().count()).toBeLessThan(150);

    await page.getByLabel('Find in output').fill('line 7000 ');
    await page.keyboard.press('Enter');
    await poll(() => page.locator('.log-row[data-current=true] .log-text').textContent()).toBe(
      'line 7000 of many',
    );
    await page.getByRole('button', { name: 'Jump to end' }).click();
    await poll(() => lines().last().textContent()).toBe('\ufffd\ufffd');

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download' }).click(),
    ]);
    const alone = spawnSync(process.execPath, ['-e', script]).stdout;
    expect(readFileSync(await download.path()).equals(alone)).toBe(true);
    expect(problems).toEqual([]);
  });

  test('types into a terminal, fits it and cancels the command, as an admin', async () => {
    const script = `
      process.stdin.setRawMode?.(false);
      console.log('size', process.stdout.columns, process.stdout.rows);
      process.stdout.on('resize', () => console.log('resized', process.stdout.columns > 20));
      require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => console.log('got', line));`;
    const command = millrace(
      ...[
        'run',
        '--pty',
        '--stdin',
        'viewers',
        '--topic',
        'tool.typed',
        '--',
        process.execPath,
        '-e',
        script,
      ],
    );
    await openDashboard('#/tools/tool.typed');
    const shown = async (): Promise<string> => (await lines().allTextContents()).join('\n');
    await poll(shown).toContain('size 80 24');
    const field = page.getByLabel('Type into the terminal');
    await field.focus();
    await page.keyboard.type('hello ✓');
    await page.keyboard.press('Enter');
    await poll(shown).toContain('got hello ✓');
    await page.getByRole('button', { name: 'fit' }).click();
    await poll(shown).toContain('resized true');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Really cancel?' }).click();
    expect(await command.finished).toBe(143);
    await page.getByText('Cancelled', { exact: true }).waitFor({ timeout: DEADLINE });
    expect(await page.getByRole('button', { name: 'Cancel' }).count()).toBe(0);
    expect(await field.count()).toBe(0);
    expect(problems).toEqual([]);
  });

  test('types lines into a command without a terminal', async () => {
    const command = millrace('run', '--stdin', 'viewers', '--topic', 'tool.lines', '--', 'cat');
    await openDashboard('#/tools/tool.lines');
    await page.getByLabel('Type into the command').fill('a line');
    await page.keyboard.press('Enter');
    await poll(() => lines().allTextContents()).toEqual(['a line']);
    await page.getByRole('button', { name: 'End input' }).click();
    expect(await command.finished).toBe(0);
    expect(problems).toEqual([]);
  });

  test('shows no way to type or cancel to who may not', async () => {
    const command = millrace('run', '--stdin', 'viewers', '--topic', 'tool.kept', '--', 'cat');
    await openDashboard('#/tools/tool.kept');
    await page.getByRole('button', { name: 'Cancel' }).waitFor({ timeout: DEADLINE });
    const observer = millrace('token', '--role', 'observer', '--data', join(folder, 'data'));
    const [, token] = await observer.waitFor(/^(eyJ\S+)/m);
    // The token of another role takes the place of the first.
    await page.goto(`${link.split('#')[0]}#token=${token}`);
    await page.locator('[data-connection=connected]').waitFor({ timeout: DEADLINE });
    await page.evaluate(() => {
      window.location.hash = '#/tools/tool.kept';
    });
    await page.getByText('Running').waitFor({ timeout: DEADLINE });
    expect(await page.getByRole('button', { name: 'Cancel' }).count()).toBe(0);
    expect(await page.getByLabel('Type into the command').count()).toBe(0);
    await command.kill();
  });

  test('lists topics, and shows the history, the live tail and every field of an event', async () => {
    const publish = async (progress: number): Promise<void> => {
      expect(
        await millrace(
          'pub',
          'task.build-7',
          'task.progress',
          `{"task_id":"build-7","progress":${progress},"message":"Compiling"}`,
        ).finished,
      ).toBe(0);
    };
    await publish(40);
    await openDashboard('#/topics');
    await page.getByLabel('Search, or a pattern').fill('build');
    await page.getByRole('link', { name: 'task.build-7' }).click({ timeout: DEADLINE });
    const events = page.getByRole('option');
    await poll(() => events.count()).toBe(1);
    await publish(41);
    await poll(() => events.count()).toBe(2);

    await page.getByRole('button', { name: 'Pause' }).click();
    await publish(42);
    await page.getByRole('button', { name: 'Resume (1 new)' }).click({ timeout: DEADLINE });
    await poll(() => events.count()).toBe(3);

    await page.getByLabel('Filter events').fill('41');
    await poll(() => events.count()).toBe(1);
    await page.getByRole('listbox').press('ArrowUp');
    const detail = page.getByRole('complementary', { name: 'Event' });
    expect(await detail.textContent()).toContain('"progress": 41');
    expect(await detail.textContent()).toContain('task.build-7');
    expect(problems).toEqual([]);
  });

  test('says that the server is gone, and goes on where it was when it is back', async () => {
    const count = async (): Promise<number> => page.getByRole('option').count();
    await millrace('pub', 'task.restart', 'task.started', '{"task_id":"restart"}').finished;
    await openDashboard('#/topics/task.restart');
    await poll(count).toBe(1);
    await server.kill();
    await page.locator('.connection-banner').waitFor({ timeout: DEADLINE });
    expect(await page.locator('[data-sonner-toast]').count()).toBe(0);
    await startServer();
    await page.locator('[data-connection=connected]').waitFor({ timeout: DEADLINE });
    await page.locator('.connection-banner').waitFor({ state: 'detached', timeout: DEADLINE });
    await millrace('pub', 'task.restart', 'task.completed', '{"task_id":"restart"}').finished;
    await poll(count).toBe(2);
  });

  test('asks for a token when there is none, and says why one was refused', async () => {
    await page.goto(link.split('#')[0] ?? '');
    await page.getByRole('heading', { name: 'Sign in' }).waitFor({ timeout: DEADLINE });
    await page.getByLabel('Token').fill('not-a-token');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor({ timeout: DEADLINE });
    expect(await page.getByRole('alert').textContent()).toContain('did not accept this token');
    await page.getByLabel('Token').fill(link.split('#token=')[1] ?? '');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('[data-connection=connected]').waitFor({ timeout: DEADLINE });
  });

  test('fits a phone: nothing is wider than the screen', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await openDashboard();
    for (const hash of ['#/', '#/topics', '#/topics/task.build-7', '#/tools', '#/tools/tool.long']) {
      await page.evaluate((to) => {
        window.location.hash = to;
      }, hash);
      await page.locator('h1').waitFor();
      const overflow = (): Promise<number> =>
        page.evaluate(() => {
          const main = document.querySelector('main');
          return Math.max(
            document.documentElement.scrollWidth - window.innerWidth,
            main === null ? 0 : main.scrollWidth - main.clientWidth,
          );
        });
      await poll(overflow).toBe(0);
    }
  });

  test('[COMP-2] [COMP-4] a browser reads what the server compressed, and the server what the browser did', async () => {
    await openDashboard();
    const [url = '', token = ''] = link.split('/#token=');
    const [extensions, data] = await page.evaluate(
      ([address, text]) =>
        new Promise<[string, unknown]>((resolve, reject) => {
          const socket = new WebSocket(address as string);
          const send = (message: object): void =>
            socket.send(JSON.stringify({ topic: 'browser.a', ...message }));
          socket.onerror = () => reject(new Error('the connection failed'));
          socket.onmessage = ({ data: received }) => {
            const message = JSON.parse(received as string) as { type: string; data?: unknown };
            if (message.type === 'welcome') send({ type: 'subscribe' });
            if (message.type === 'subscribed') send({ type: 'publish', event: 'x', data: { text } });
            if (message.type === 'event') resolve([socket.extensions, message.data]);
          };
        }),
      [`${url.replace('http', 'ws')}/ws?token=${token}`, LONG_TEXT],
    );
    expect(extensions).toContain('permessage-deflate');
    expect(data).toEqual({ text: LONG_TEXT });
  });
});
