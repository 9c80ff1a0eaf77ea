import { describe, expect, test } from 'vitest';
import { createOriginCheck } from './origin-check.ts';

const publicCheck = createOriginCheck({
  allow: ['https://app.example.com', 'http://10.0.0.7:8080'],
  loopback: false,
});
const loopbackCheck = createOriginCheck({ allow: [], loopback: true });

type Case = [origin: string | undefined, host: string | undefined];

describe('createOriginCheck', () => {
  test.for<Case>([
    [undefined, 'events.example.com'],
    [undefined, undefined],
    ['https://app.example.com', 'events.example.com'],
    ['http://10.0.0.7:8080', 'events.example.com'],
    ['https://events.example.com', 'events.example.com'],
    ['https://events.example.com', 'events.example.com:443'],
    ['http://events.example.com:3001', 'events.example.com:3001'],
    ['http://[2001:db8::1]:3001', '[2001:db8::1]:3001'],
    ['https://events.example.com', 'Events.Example.com'],
  ])('[CONN-5] accepts origin %s at host %s', ([origin, host]) => {
    expect(publicCheck(origin, host)).toBe(true);
  });

  test.for<Case>([
    ['https://evil.example', 'events.example.com'],
    ['https://app.example.com.evil.example', 'events.example.com'],
    ['http://app.example.com', 'events.example.com'],
    ['https://app.example.com:8443', 'events.example.com'],
    ['http://events.example.com:3002', 'events.example.com:3001'],
    ['http://localhost:5173', 'events.example.com'],
    ['null', 'events.example.com'],
    ['null', 'null'],
    ['', 'events.example.com'],
    ['not an origin', 'events.example.com'],
    ['https://events.example.com', undefined],
    ['https://events.example.com', ''],
    ['file://', ''],
    ['chrome-extension://abc', 'abc'],
  ])('[CONN-5] refuses origin %s at host %s', ([origin, host]) => {
    expect(publicCheck(origin, host)).toBe(false);
  });

  test.for([
    'http://localhost:5173',
    'http://dash.localhost',
    'https://127.0.0.1',
    'http://127.8.9.1:80',
    'http://[::1]:3000',
  ])('[CONN-5] a server bound to loopback accepts %s', (origin) => {
    expect(loopbackCheck(origin, '127.0.0.1:3001')).toBe(true);
  });

  test.for([
    'http://127.0.0.1.evil.example',
    'http://localhost.evil.example',
    'http://[::2]',
    'http://10.0.0.1',
  ])('[CONN-5] a server bound to loopback refuses %s', (origin) => {
    expect(loopbackCheck(origin, '127.0.0.1:3001')).toBe(false);
  });

  test.for([
    'app.example.com',
    'https://app.example.com/',
    'https://App.example.com',
    '*',
    'null',
    'https://*.a.b/c',
  ])('says that %s is not an origin', (allowed) => {
    expect(() => createOriginCheck({ allow: [allowed], loopback: false })).toThrow('is not an origin');
  });
});
