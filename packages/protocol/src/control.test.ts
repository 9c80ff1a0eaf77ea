import { describe, expect, test } from 'vitest';
import { controlTopicOf, isControlTopic, readControl } from './control.ts';
import { EVERY_TOPIC, isHiddenFrom, selectsTopic } from './inbox.ts';

describe('control topics', () => {
  test('[CTRL-1] are named after what runs', () => {
    expect(controlTopicOf('npm-3f9a1c')).toBe('control.npm-3f9a1c');
    expect(controlTopicOf('a.b')).toBe('control.a_2eb');
  });

  test.for<[topic: string, control: boolean]>([
    ['control', true],
    ['control.x', true],
    ['control.*', true],
    ['controls.x', false],
    ['*', false],
  ])('%s lies in their namespace: %s', ([topic, control]) => {
    expect(isControlTopic(topic)).toBe(control);
  });

  test.for(['*', '*.x', '*.*'])('[CTRL-3] %s selects none of them', (pattern) => {
    expect(isHiddenFrom(pattern, 'control.x')).toBe(true);
    expect(selectsTopic([pattern], 'control.x')).toBe(false);
  });

  test('the server itself follows them', () => {
    expect(selectsTopic(EVERY_TOPIC, 'control.x')).toBe(true);
  });
});

describe('what they say', () => {
  test.for([
    ['control.stdin', { execution_id: 'x', data: 'ls\n', user_id: 'ann' }],
    ['control.resize', { columns: 80, rows: 24 }],
    ['control.signal', { signal: 'SIGINT' }],
    ['control.cancel', { id: 'x', reason: 'no longer needed' }],
  ] as const)('[CTRL-1] %s is read', ([event, data]) => {
    expect(readControl({ event, data })).toEqual({ event, data });
  });

  test.for([
    ['control.pause', { id: 'x' }],
    ['control.stdin', { execution_id: 'x' }],
    ['control.resize', { columns: '80', rows: 24 }],
    ['control.signal', null],
    ['toString', {}],
  ] as const)('[CTRL-1] %s %j is nothing that this version knows', ([event, data]) => {
    expect(readControl({ event, data })).toBeUndefined();
  });
});
