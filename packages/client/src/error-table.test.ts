import { CODE_TABLE, type CodeName, STANDARD_CLOSE } from '@millrace/protocol';
import { describe, expect, test } from 'vitest';
import { FakeHttp, problem } from '../test/fake-http.ts';
import { startClient } from '../test/start-client.ts';

/*
 * What the SDK does for each code of the table: tries again where it says that this may help, and gives up with that
 * code where it says that it does not.
 */

const codes = Object.entries(CODE_TABLE).map(([name, code]) => ({ name: name as CodeName, ...code }));
/** A code of a later server. */
const later = 'from-the-future' as CodeName;
const answers = [
  ...codes,
  { name: later, http: 503, retryable: true },
  { name: later, http: 400, retryable: false },
];
/** These are about the token, and end the connection over HTTP as they do over WebSocket. */
const aboutToken: readonly CodeName[] = ['unauthorized', 'token-expired'];

const closes = [
  ...codes.flatMap(({ name, close, retryable }) => (close === undefined ? [] : [{ name, close, retryable }])),
  { name: 'unavailable', close: 1006, retryable: true },
  { name: 'unavailable', close: STANDARD_CLOSE.goingAway, retryable: true },
  { name: 'too-large', close: STANDARD_CLOSE.tooBig, retryable: false },
  { name: 'unavailable', close: 4499, retryable: true },
  { name: 'disconnected', close: 4999, retryable: false },
];

describe('[CLOSE-1] a connection that is closed', () => {
  test.each(closes)('with $close ($name): come back $retryable', async ({ name, close, retryable }) => {
    const { platform, client, states, errors } = startClient({ token: () => 'fresh' });
    await platform.flush();
    platform.socket.pushClose(close, 'said why');
    await platform.flush();
    expect(errors).toEqual([name]);
    await platform.advance(60_000);
    expect(states.includes('reconnect_failed')).toBe(!retryable);
    expect(client.state).toBe(retryable ? 'connected' : 'reconnect_failed');
    expect(client.failure?.code).toBe(retryable ? undefined : name);
  });

  test.each(closes)('with $close ($name) before the welcome: come back $retryable', async (code) => {
    const { platform, server, client } = startClient({ token: () => 'fresh' });
    server.needsToken = true;
    const accept = platform.onSocket;
    platform.onSocket = (socket) => {
      platform.onSocket = accept;
      socket.accept({ message: () => {}, closed: () => {} });
      socket.pushClose(code.close, 'said why');
    };
    await platform.advance(60_000);
    expect(client.state).toBe(code.retryable ? 'connected' : 'reconnect_failed');
  });

  test('with `token-expired`, whose token never changes: gives up, since it would be refused again', async () => {
    const { platform, client } = startClient({ token: 'always the same' });
    await platform.flush();
    platform.socket.pushClose(CODE_TABLE['token-expired'].close ?? 0);
    await platform.advance(60_000);
    expect(client.failure?.code).toBe('token-expired');
  });
});

describe('an answer that refuses', () => {
  test.each(answers)('a publication with $name: repeat $retryable', async ({ name, retryable }) => {
    const { platform, server, client } = startClient();
    server.refusals.push({ code: name, retryable });
    const published = client.publish('t', 'x', 1).catch((error: unknown) => error);
    await platform.advance(30_000);
    const outcome = retryable ? { topic: 't', offset: 1 } : { code: name, retryable };
    expect(await published).toMatchObject(outcome);
    expect(server.eventsOf('t')).toHaveLength(retryable ? 1 : 0);
  });

  test.each(answers)('a subscription with $name: ask again $retryable', async ({ name, retryable }) => {
    const { platform, server, client } = startClient();
    server.refusals.push({ code: name, retryable });
    const sub = client.topic('t', { since: 'earliest' });
    const errors: CodeName[] = [];
    sub.on('error', ({ code }) => errors.push(code));
    await platform.advance(30_000);
    expect(errors).toEqual(retryable ? [] : [name]);
    expect(sub.closed).toBe(!retryable);
    expect(client.state).toBe('connected');
  });

  test.each(answers)('an acknowledgement with $name: send again $retryable', async ({ name, retryable }) => {
    const { platform, server, client } = startClient();
    server.append('user.ada', 1);
    await platform.flush();
    void client.inbox().handle(() => server.refusals.push({ code: name, retryable }));
    await platform.advance(30_000);
    expect(server.acks).toEqual(retryable ? [1] : []);
    expect(client.state).toBe('connected');
  });
});

describe('[HTTP-1] an HTTP answer that refuses', () => {
  const overHttp = answers.filter(({ name, http }) => http !== undefined && !aboutToken.includes(name));

  test.each(overHttp)(
    'a publication with $name: repeat $retryable',
    async ({ name, http = 0, retryable }) => {
      const { platform, client } = startClient({ transport: 'sse' });
      const server = new FakeHttp(platform);
      let refused = false;
      server.answer = ({ pathname }) => {
        if (pathname !== '/api/v1/events' || refused) return undefined;
        refused = true;
        return problem(http, name, retryable);
      };
      const published = client.publish('t', 'x', 1).catch((error: unknown) => error);
      for (let i = 0; i < 20; i++) await platform.advance(2000);
      expect(await published).toMatchObject(retryable ? { offset: 1 } : { code: name, retryable });
      expect(client.state).toBe('connected');
    },
  );

  test.each(overHttp)('a subscription with $name: ask again $retryable', async (code) => {
    const { platform, client } = startClient({ transport: 'sse' });
    const server = new FakeHttp(platform);
    let refused = false;
    server.answer = ({ pathname }) => {
      if (pathname !== '/events' || refused) return undefined;
      refused = true;
      return problem(code.http ?? 0, code.name, code.retryable);
    };
    const sub = client.topic('t');
    for (let i = 0; i < 20; i++) await platform.advance(1000);
    expect(sub.closed).toBe(!code.retryable);
    expect(server.streams).toHaveLength(code.retryable ? 1 : 0);
    client.close();
  });

  test.each(aboutToken)('with %s ends the connection', async (name) => {
    const { platform, client } = startClient({ transport: 'sse', token: 'always the same' });
    const server = new FakeHttp(platform);
    server.answer = ({ pathname }) => (pathname === '/events' ? problem(401, name) : undefined);
    client.topic('t');
    for (let i = 0; i < 5; i++) await platform.flush();
    expect(client.failure?.code).toBe(name);
  });
});
