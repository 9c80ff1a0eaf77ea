import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readWebhookSecrets } from './webhook-secrets.ts';

const SECRET = `whsec_${Buffer.from('a secret of at least 24 bytes').toString('base64')}`;

test('the secret may be in a file, must be there, and must be long enough', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-secret-'));
  const file = join(folder, 'secret');
  writeFileSync(file, `${SECRET}\n`);
  expect(readWebhookSecrets({ MILLRACE_WEBHOOK_SECRET_FILE: file })).toEqual(
    readWebhookSecrets({ MILLRACE_WEBHOOK_SECRET: SECRET }),
  );
  rmSync(folder, { recursive: true });
  expect(() => readWebhookSecrets({ MILLRACE_WEBHOOK_SECRET_FILE: file })).toThrow(/cannot be read/);
  expect(() => readWebhookSecrets({})).toThrow(/set MILLRACE_WEBHOOK_SECRET/);
  expect(() => readWebhookSecrets({ MILLRACE_WEBHOOK_SECRET: 'whsec_c2hvcnQ=' })).toThrow(/has 5 bytes/);
});

test('several secrets, the newest first', () => {
  const both = readWebhookSecrets({ MILLRACE_WEBHOOK_SECRET: `${SECRET}\nthe-one-before,-as-plain-text` });
  expect(both.map(String)).toEqual(['a secret of at least 24 bytes', 'the-one-before,-as-plain-text']);
});
