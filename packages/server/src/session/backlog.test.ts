import { expect, test } from 'vitest';
import { Backlog } from './backlog.ts';
import type { SessionSocket } from './session-socket.ts';

test('[FLOW-5] a client that asks faster than it is served is not read until half of it is done, whatever it asked for', () => {
  const calls: string[] = [];
  const backlog = new Backlog({
    pauseReading: () => calls.push('pause'),
    resumeReading: () => calls.push('resume'),
  } as Partial<SessionSocket> as SessionSocket);
  for (let i = 0; i < 60; i++) backlog.begin(16);
  for (let i = 0; i < 63; i++) backlog.begin(1);
  expect(calls).toEqual([]);
  backlog.begin(1);
  backlog.begin(1);
  expect(calls).toEqual(['pause']);
  for (let i = 0; i < 32; i++) backlog.end(16);
  expect(calls).toEqual(['pause']);
  backlog.end(1);
  backlog.end(1);
  expect(calls).toEqual(['pause', 'resume']);
});
