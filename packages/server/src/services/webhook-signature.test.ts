import { expect, test } from 'vitest';
import { webhookHeaders, webhookKey } from './webhook-signature.ts';

const message = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', seconds: 1614265330, body: '{"test": 2432232314}' };
const key = webhookKey('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');

test('signs as the Standard Webhooks scheme does in its own example', () => {
  expect(webhookHeaders([key], message)).toEqual({
    'webhook-id': message.id,
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

test('while a secret is replaced, both sign', () => {
  const both = webhookHeaders([webhookKey('the-one-after,-as-plain-text'), key], message);
  const [newer, older] = both['webhook-signature']?.split(' ') ?? [];
  expect(older).toBe(webhookHeaders([key], message)['webhook-signature']);
  expect(newer).toMatch(/^v1,/);
  expect(newer).not.toBe(older);
});

test('without a secret nothing is signed', () => {
  expect(Object.keys(webhookHeaders([], message))).toEqual(['webhook-id', 'webhook-timestamp']);
});
