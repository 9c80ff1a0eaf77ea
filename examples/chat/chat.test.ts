import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FakeProvider, startFakeProvider, until } from '@millrace/testkit';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startChat } from './server.ts';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const hasBrowser = existsSync(executablePath);
if (!hasBrowser) {
  if (process.env.CI) throw new Error(`this test needs Chromium at ${executablePath}`);
  console.warn(`SKIPPED: no Chromium at ${executablePath}, so the chat is not tried in a browser`);
}

const DEADLINE = 20_000;
/** Every word tells its place, so that a gap or a repeat shows. */
const TOKENS = Array.from({ length: 150 }, (_, i) => `${i === 0 ? '' : ' '}word-${i},`);
const ANSWER = TOKENS.join('');
const QUESTION = 'What is a mill race?';

let folder: string;
let provider: FakeProvider;
let chat: Awaited<ReturnType<typeof startChat>>;
let browser: Browser;
let pages: Page[] = [];
const problems: string[] = [];

async function openPage(url = chat.url): Promise<Page> {
  const page = await browser.newPage();
  pages.push(page);
  page.on('pageerror', ({ message }) => problems.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  await page.goto(url);
  await page.getByLabel('Your message').waitFor({ timeout: DEADLINE });
  return page;
}

async function ask(page: Page, text = QUESTION): Promise<void> {
  await page.getByLabel('Your message').fill(text);
  await page.keyboard.press('Enter');
}

const answers = (page: Page) => page.locator('.message.assistant');
const textOf = (page: Page): Promise<string> => answers(page).last().innerText();
const poll = <Value>(read: () => Promise<Value>) => expect.poll(read, { timeout: DEADLINE, interval: 20 });

/** The words from the first on, and nothing else. */
function expectBeginning(text: string): void {
  expect(text).not.toBe('');
  expect(ANSWER.startsWith(text)).toBe(true);
}

/** Resolves when an answer has begun and is far from its end. */
async function untilComing(page: Page): Promise<void> {
  await poll(() => answers(page).count()).toBeGreaterThan(0);
  await poll(() => textOf(page)).toContain('word-12,');
}

describe.skipIf(!hasBrowser)('the chat in a browser', { timeout: 60_000 }, () => {
  beforeAll(async () => {
    const vite = join(import.meta.dirname, '../../node_modules/vite/bin/vite.js');
    const build = ['build', import.meta.dirname, '--logLevel', 'error'];
    expect(spawnSync(process.execPath, [vite, ...build], { stdio: 'inherit' }).status).toBe(0);
    folder = mkdtempSync(join(tmpdir(), 'millrace-chat-'));
    provider = await startFakeProvider();
    chat = await startChat({
      port: 0,
      directory: folder,
      secret: 'a secret that only tests know, 32 bytes',
      provider: { baseUrl: provider.url, model: 'test' },
    });
    browser = await chromium.launch({
      executablePath,
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
  }, 60_000);

  beforeEach(() => {
    provider.answerWith({ tokens: TOKENS, intervalMs: 20 });
  });

  afterEach(async () => {
    for (const page of pages) await page.close();
    pages = [];
    expect(problems.splice(0)).toEqual([]);
  });

  afterAll(async () => {
    await browser?.close();
    await chat?.close();
    await provider?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('asks, sees tokens come, and ends with exactly the provider’s text', async () => {
    const page = await openPage();
    await ask(page);
    await untilComing(page);
    expectBeginning(await textOf(page));
    expect(await page.getByRole('button', { name: 'Stop' }).isVisible()).toBe(true);
    await page.getByRole('button', { name: 'Send' }).waitFor({ timeout: DEADLINE });
    expect(await textOf(page)).toBe(ANSWER);
    expect(await page.locator('.message.user').innerText()).toBe(QUESTION);
  });

  test('goes on after a reload in the middle of an answer, twice, with one request to the provider', async () => {
    const requests = provider.requests.length;
    const page = await openPage();
    await ask(page);
    await untilComing(page);
    for (let reload = 0; reload < 2; reload++) {
      await page.reload();
      await untilComing(page);
      expectBeginning(await textOf(page));
    }
    await poll(() => textOf(page)).toBe(ANSWER);
    await page.getByRole('button', { name: 'Send' }).waitFor({ timeout: DEADLINE });
    expect(await answers(page).count()).toBe(1);
    expect(await page.locator('.message.user').count()).toBe(1);
    expect(provider.requests.length - requests).toBe(1);
    await page.reload();
    await poll(() => textOf(page)).toBe(ANSWER);
  });

  test('a second tab sees question and answer come, and answers of its own go to the first', async () => {
    const first = await openPage();
    const second = await openPage(first.url());
    await ask(first);
    await untilComing(second);
    expectBeginning(await textOf(second));
    expect(await second.locator('.message.user').innerText()).toBe(QUESTION);
    for (const page of [first, second]) await poll(() => textOf(page)).toBe(ANSWER);
    await second.getByRole('button', { name: 'Send' }).waitFor({ timeout: DEADLINE });
    provider.answerWith({ tokens: ['Be', 'cause', '.'] });
    await ask(second, 'Why?');
    for (const page of [first, second]) {
      await poll(() => textOf(page)).toBe('Because.');
      expect(await page.locator('.message.user').allInnerTexts()).toEqual([QUESTION, 'Why?']);
    }
    // The model was told what had been said.
    expect(provider.requests.at(-1)?.body.messages.map(({ content }) => content)).toEqual([
      QUESTION,
      ANSWER,
      'Why?',
    ]);
  });

  test('a tab that opens in the middle gets the text so far', async () => {
    const first = await openPage();
    await ask(first);
    await untilComing(first);
    const late = await openPage(first.url());
    await untilComing(late);
    expectBeginning(await textOf(late));
    await poll(() => textOf(late)).toBe(ANSWER);
  });

  test('stop ends the provider’s request, for everybody', async () => {
    const first = await openPage();
    const second = await openPage(first.url());
    await ask(first);
    await untilComing(second);
    const request = provider.requests.at(-1);
    await second.getByRole('button', { name: 'Stop' }).click();
    expect((await request?.ended)?.complete).toBe(false);
    for (const page of [first, second]) {
      await page.getByRole('button', { name: 'Send' }).waitFor({ timeout: DEADLINE });
    }
    await poll(async () => (await textOf(first)) === (await textOf(second))).toBe(true);
    expectBeginning(await textOf(first));
    expect(await textOf(first)).not.toBe(ANSWER);
  });

  test('leaving a conversation does not end its answer', async () => {
    const page = await openPage();
    await ask(page);
    await untilComing(page);
    const url = page.url();
    await page.getByRole('button', { name: 'New' }).click();
    await page.getByText('What would you like to know?').waitFor({ timeout: DEADLINE });
    await until(() => provider.requests.at(-1)?.sent.length === TOKENS.length, 'the answer', DEADLINE);
    await page.goBack();
    expect(page.url()).toBe(url);
    await poll(() => textOf(page)).toBe(ANSWER);
  });

  test('says what went wrong, and tries again', async () => {
    provider.answerWith({ status: 400, message: 'no such model' });
    const page = await openPage();
    await ask(page);
    await page.getByRole('alert').waitFor({ timeout: DEADLINE });
    expect(await page.getByRole('alert').innerText()).toContain('refused the request');
    provider.answerWith({ tokens: ['Awake', '.'] });
    await page.getByRole('button', { name: 'Try again' }).click();
    await poll(() => textOf(page)).toBe('Awake.');
    await poll(() => page.getByRole('alert').count()).toBe(0);
    expect(await page.locator('.message.user').count()).toBe(1);
  });
});
