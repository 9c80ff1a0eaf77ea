import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type CodeName, MillraceError } from '@millrace/protocol';
import { ManualClock, until } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AuthHookOptions } from './auth-hook.ts';
import { type Authenticator, createAuthenticator } from './authenticator.ts';

type Answer = (response: ServerResponse, token: string) => void;

let clock: ManualClock;
let backend: Server;
let answer: Answer;
/** The tokens asked for, and the requests that asked. */
let asked: string[];
let requests: IncomingMessage[];
let errors: unknown[];

beforeEach(async () => {
  clock = new ManualClock();
  asked = [];
  requests = [];
  errors = [];
  answer = claims({ sub: 'ann', entity: 'acme', roles: ['member'] });
  const hear = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { token } = JSON.parse(await text(request)) as { token: string };
    asked.push(token);
    requests.push(request);
    answer(response, token);
  };
  backend = createServer((request, response) => void hear(request, response)).listen(0, '127.0.0.1');
  await once(backend, 'listening');
});

afterEach(() => {
  backend.closeAllConnections();
  backend.close();
});

const origin = (): string => `http://127.0.0.1:${(backend.address() as AddressInfo).port}`;

function claims(value: object): Answer {
  return (response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(code, headers).end('whatever');

function asking(options: Partial<AuthHookOptions> = {}): Authenticator {
  const hook = { url: `${origin()}/check`, ...options };
  return createAuthenticator({ clock, hook, onError: (error) => errors.push(error) });
}

async function codeOf(result: Promise<unknown>): Promise<CodeName> {
  const error = await result.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof MillraceError) return error.code;
  throw new Error('was not refused', { cause: error });
}

describe('the hook', () => {
  test('[AUTH-14] is asked by POST with the token and the configured headers; 200 lets in', async () => {
    const authenticator = asking({ headers: { 'x-api-key': 'ours' } });
    expect(await authenticator.authenticate('opaque')).toMatchObject({
      userId: 'ann',
      entityId: 'acme',
      roles: ['member'],
    });
    expect(asked).toEqual(['opaque']);
    expect(requests[0]).toMatchObject({ method: 'POST', url: '/check' });
    expect(requests[0]?.headers).toMatchObject({ 'content-type': 'application/json', 'x-api-key': 'ours' });
  });

  test.each([401, 403])('[AUTH-14] %i refuses', async (code) => {
    answer = status(code);
    expect(await codeOf(asking().authenticate('opaque'))).toBe('unauthorized');
    expect(errors).toEqual([]);
  });

  const failures: [string, Answer][] = [
    ['500', status(500)],
    ['404', status(404)],
    ['204', status(204)],
    ['201', (response) => response.writeHead(201).end('{"sub":"ann"}')],
    ['a redirection', status(307, { location: '/elsewhere' })],
    ['no JSON', (response, token) => response.writeHead(200).end(`token ${token}`)],
    ['a list', claims(['ann'])],
    [
      'an endless answer',
      (response) => response.writeHead(200).end(JSON.stringify({ sub: 'x'.repeat(70_000) })),
    ],
    [
      'half an answer',
      (response) =>
        void response.writeHead(200, { 'content-length': '100' }).write('{', () => response.destroy()),
    ],
  ];
  test.each(failures)('[AUTH-14] %s lets nobody in, for now', async (_, failure) => {
    answer = failure;
    const authenticator = asking();
    expect(await codeOf(authenticator.authenticate('opaque-canary'))).toBe('unavailable');
    expect(errors).toHaveLength(1);
    expect(String((errors[0] as Error).stack)).not.toContain('opaque-canary');
    // Not kept: the next one asks again.
    answer = claims({ sub: 'ann' });
    expect(await authenticator.authenticate('opaque-canary')).toMatchObject({ userId: 'ann' });
  });

  test('[AUTH-14] nobody there, or no answer in time, lets nobody in; the log says it once', async () => {
    const nobody = asking({ url: 'http://127.0.0.1:9/' });
    expect(await codeOf(nobody.authenticate('a'))).toBe('unavailable');
    expect(await codeOf(nobody.authenticate('b'))).toBe('unavailable');
    expect(errors).toHaveLength(1);
    answer = () => {};
    const late = codeOf(asking({ timeoutMs: 2000 }).authenticate('opaque'));
    await until(() => asked.length === 1);
    clock.advance(2000);
    expect(await late).toBe('unavailable');
  });

  test('[AUTH-14] claims that are none are a refusal', async () => {
    for (const [value, code] of [
      [{ entity: 'acme' }, 'unauthorized'],
      [{ sub: 'ann', entity: '$system' }, 'unauthorized'],
      [{ sub: 'ann', exp: 1 }, 'token-expired'],
    ] as const) {
      answer = claims(value);
      expect(await codeOf(asking().authenticate('opaque'))).toBe(code);
    }
  });
});

describe('answers are kept', () => {
  test('[AUTH-14] for the configured time, a refusal for five seconds at most', async () => {
    const authenticator = asking({ cacheMs: 30_000 });
    await authenticator.authenticate('good');
    clock.advance(29_999);
    await authenticator.authenticate('good');
    expect(asked).toEqual(['good']);
    clock.advance(1);
    await authenticator.authenticate('good');
    expect(asked).toEqual(['good', 'good']);
    answer = status(401);
    await codeOf(authenticator.authenticate('bad'));
    clock.advance(4999);
    await codeOf(authenticator.authenticate('bad'));
    expect(asked).toHaveLength(3);
    clock.advance(1);
    answer = claims({ sub: 'ann' });
    expect(await authenticator.authenticate('bad')).toMatchObject({ userId: 'ann' });
  });

  test('[AUTH-14] no longer than the token lives, and the newest so many', async () => {
    answer = claims({ sub: 'ann', exp: clock.now() / 1000 + 10 });
    const authenticator = asking({ maxCached: 2 });
    await authenticator.authenticate('a');
    clock.advance(10_000);
    expect(await codeOf(authenticator.authenticate('a'))).toBe('token-expired');
    answer = claims({ sub: 'ann' });
    for (const token of ['b', 'c', 'd', 'b']) await authenticator.authenticate(token);
    expect(asked).toEqual(['a', 'a', 'b', 'c', 'd', 'b']);
  });

  test('[AUTH-13] what it says of the time of issue is never later than the answer', async () => {
    answer = claims({ sub: 'ann', iat: 1e308 });
    const { credential } = await asking().authenticate('a');
    expect(credential).toMatchObject({ issuedAt: clock.now() });
  });

  test('[AUTH-14] any number of made-up tokens does not make it forget who is known', async () => {
    const authenticator = asking({ maxCached: 2 });
    await authenticator.authenticate('ours');
    answer = status(401);
    for (let i = 0; i < 5; i++) await codeOf(authenticator.authenticate(`made-up-${i}`));
    asked = [];
    expect(await authenticator.authenticate('ours')).toMatchObject({ userId: 'ann' });
    expect(asked).toEqual([]);
  });

  test('[AUTH-14] those who ask at once share one question, also a failed one', async () => {
    const authenticator = asking();
    const identities = await Promise.all(
      Array.from({ length: 50 }, () => authenticator.authenticate('same')),
    );
    expect(new Set(identities.map(({ userId }) => userId))).toEqual(new Set(['ann']));
    expect(asked).toEqual(['same']);
    answer = status(500);
    const codes = await Promise.all(
      Array.from({ length: 50 }, () => codeOf(authenticator.authenticate('other'))),
    );
    expect([new Set(codes), asked.length]).toEqual([new Set(['unavailable']), 2]);
  });

  test('[AUTH-14] a flood of tokens is asked a few at a time, and all are answered', async () => {
    let inside = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    answer = (response) => {
      most = Math.max(most, ++inside);
      waiting.push(() => {
        inside--;
        claims({ sub: 'ann' })(response, '');
      });
    };
    const authenticator = asking();
    const all = Promise.all(Array.from({ length: 200 }, (_, i) => authenticator.authenticate(`token-${i}`)));
    let answered = 0;
    while (answered < 200) {
      await until(() => waiting.length > 0);
      waiting.shift()?.();
      answered++;
    }
    expect(await all).toHaveLength(200);
    expect(most).toBeLessThanOrEqual(64);
  });

  test('[AUTH-10] a user’s revocation takes what was kept, and not what the backend says later', async () => {
    let revokedAt = 0;
    const hook = { url: origin() };
    const authenticator = createAuthenticator({
      clock,
      hook,
      isRevoked: ({ credential }) => credential.kind === 'token' && credential.issuedAt <= revokedAt,
    });
    await authenticator.authenticate('opaque');
    clock.advance(1000);
    revokedAt = clock.now();
    clock.advance(1000);
    expect(await codeOf(authenticator.authenticate('opaque'))).toBe('unauthorized');
    clock.advance(30_000);
    expect(await authenticator.authenticate('opaque')).toMatchObject({ userId: 'ann' });
  });
});
