import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient, TestServer } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let folder = '';
let server: TestServer;
let browser: ApiClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-dashboard-'));
  await writeFile(join(folder, 'secret.txt'), 'outside');
  server = await TestServer.start({ dashboardDirectory: join(folder, 'dist') });
  browser = new ApiClient(server.origin);
});

afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

describe('the dashboard', () => {
  test('[HTTP-4] that is not built says how to build it', async () => {
    const { status, headers, text } = await browser.get('/');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(text).toContain('npm run build');
    expect((await browser.get('/assets/index.js')).status).toBe(404);
  });

  describe('once it is built', () => {
    beforeAll(async () => {
      const dist = join(folder, 'dist');
      await mkdir(join(dist, 'assets', 'deep'), { recursive: true });
      await writeFile(join(dist, 'index.html'), '<!doctype html><title>Millrace</title>');
      await writeFile(join(dist, 'assets', 'index-B4xJ_k9Q.js'), 'export {};');
      await writeFile(join(dist, 'assets', 'plain.js'), 'export {};');
      await writeFile(join(dist, '.env'), 'SECRET=1');
    });

    test('[HTTP-4] is served at / under a strict policy, and asked for anew each time', async () => {
      const { status, headers, text } = await browser.get('/');
      expect({ status, text }).toEqual({ status: 200, text: '<!doctype html><title>Millrace</title>' });
      expect(headers.get('content-type')).toMatch(/^text\/html/);
      expect(headers.get('cache-control')).toBe('no-cache');
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self'");
      expect(policy).not.toContain('unsafe');
      const etag = headers.get('etag') ?? '';
      const again = await browser.call('/', {
        headers: { 'if-none-match': etag, 'cache-control': 'max-age=0' },
      });
      expect(again).toMatchObject({ status: 304, text: '' });
    });

    test('[HTTP-4] files with a hash in their name are kept for ever', async () => {
      const { status, headers } = await browser.get('/assets/index-B4xJ_k9Q.js');
      expect(status).toBe(200);
      expect(headers.get('content-type')).toMatch(/javascript/);
      expect(headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect((await browser.get('/assets/plain.js')).headers.get('cache-control')).toBe('no-cache');
      expect(await browser.call('/assets/plain.js', { method: 'HEAD' })).toMatchObject({
        status: 200,
        text: '',
      });
    });

    test.each([
      '/nothing',
      '/assets',
      '/assets/',
      '/assets/deep/',
      '/assets/index-00000000.js',
      '/.env',
      '/..%2fsecret.txt',
      '/%2e%2e/secret.txt',
      '/assets/..%2f..%2fsecret.txt',
      '/assets%00.js',
    ])('[HTTP-1] %s is a problem', async (path) => {
      const { status, headers, text } = await browser.get(path);
      expect([400, 404]).toContain(status);
      expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(text).not.toMatch(/outside|SECRET/);
    });

    test('[HTTP-1] takes no other method', async () => {
      expect((await browser.post('/', {})).status).toBe(405);
      expect((await browser.post('/assets/plain.js', {})).status).toBe(404);
    });
  });
});
