import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readWebhookSecrets, signatureHeaders } from './webhook-signature.ts';

const SECRET = `whsec_${Buffer.from('a secret of at least 24 bytes').toString('base64')}`;
const message = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', seconds: 1614265330, body: '{"test": 2432232314}' };

test('signs as the Standard Webhooks scheme does in its own example', () => {
  const secrets = readWebhookSecrets({ MILLRACE_WEBHOOK_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' });
  expect(signatureHeaders(secrets, message)).toEqual({
    'webhook-id': message.id,
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

test('while a secret is replaced, both sign', () => {
  const both = readWebhookSecrets({ MILLRACE_WEBHOOK_SECRET: `${SECRET}\nthe-one-before,-as-plain-text` });
  const [newer, older] = signatureHeaders(both, message)['webhook-signature']?.split(' ') ?? [];
  const alone = readWebhookSecrets({ MILLRACE_WEBHOOK_SECRET: SECRET });
  expect(newer).toBe(signatureHeaders(alone, message)['webhook-signature']);
  expect(older).toMatch(/^v1,/);
  expect(older).not.toBe(newer);
});

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
