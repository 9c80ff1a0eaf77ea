import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { clientAddress } from './client-address.ts';

function from(forwarded: string | undefined, own = '10.0.0.1'): IncomingMessage {
  return {
    headers: { 'x-forwarded-for': forwarded },
    socket: { remoteAddress: own },
  } as unknown as IncomingMessage;
}

test('the address is the connection’s own, whatever a client writes, when no proxy is trusted', () => {
  expect(clientAddress(from('192.0.2.1'), 0)).toBe('10.0.0.1');
});

test('one proxy: what it saw is the last entry; what the client wrote before it is not believed', () => {
  expect(clientAddress(from('203.0.113.9'), 1)).toBe('203.0.113.9');
  expect(clientAddress(from('192.0.2.1, 203.0.113.9'), 1)).toBe('203.0.113.9');
  expect(clientAddress(from(' 2001:db8::1 '), 1)).toBe('2001:db8::1');
});

test('a port that the proxy wrote beside it is left out', () => {
  expect(clientAddress(from('203.0.113.9:50123'), 1)).toBe('203.0.113.9');
  expect(clientAddress(from('[2001:db8::1]:50123'), 1)).toBe('2001:db8::1');
  expect(clientAddress(from('[2001:db8::1]'), 1)).toBe('2001:db8::1');
  for (const odd of ['203.0.113.9:x', '[203.0.113.9', '203.0.113.9:123456', '[]:1'])
    expect(clientAddress(from(odd), 1)).toBe('10.0.0.1');
});

test('two proxies: the last entry but one; a chain that is shorter gives its first', () => {
  expect(clientAddress(from('192.0.2.1, 203.0.113.9, 10.0.0.2'), 2)).toBe('203.0.113.9');
  expect(clientAddress(from('203.0.113.9'), 2)).toBe('203.0.113.9');
});

test('what is no address, or is missing, gives the connection’s own', () => {
  for (const forwarded of [undefined, '', 'unknown', '203.0.113.9, <script>', 'a'.repeat(5000)])
    expect(clientAddress(from(forwarded), 1)).toBe('10.0.0.1');
});
