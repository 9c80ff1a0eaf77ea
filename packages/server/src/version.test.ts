import { readFileSync } from 'node:fs';
import { TestServer } from '@millrace/testkit';
import { expect, test } from 'vitest';

test('the server tells the version of its package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const server = await TestServer.start();
  try {
    const response = await fetch(`${server.origin}/openapi.json`);
    expect(await response.json()).toMatchObject({ info: { version } });
  } finally {
    await server.close();
  }
});
