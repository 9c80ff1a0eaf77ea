import { describe, expect, test } from 'vitest';
import { inboxOf, isHiddenFrom, isInboxTopic } from './inbox.ts';

describe('inboxes', () => {
  test('[TOPIC-3] an inbox is named after its user', () => {
    expect(inboxOf('alice@example.com')).toBe('user.alice_40example_2ecom');
  });

  test.for<[topic: string, inbox: boolean]>([
    ['user', true],
    ['user.alice', true],
    ['user.alice.mail', true],
    ['user.*', true],
    ['users.alice', false],
    ['*', false],
    ['task.user.alice', false],
  ])('%s lies in the namespace of inboxes: %s', ([topic, inbox]) => {
    expect(isInboxTopic(topic)).toBe(inbox);
  });

  test.for<[pattern: string, topic: string, hidden: boolean]>([
    ['*', 'user.alice', true],
    ['*.alice', 'user.alice', true],
    ['user.alice', 'user.alice', false],
    ['user.alice.*', 'user.alice.mail', false],
    ['*', 'task.user', false],
    ['task.*', 'task.user', false],
  ])('[AUTH-8] what %s matches of %s is hidden: %s', ([pattern, topic, hidden]) => {
    expect(isHiddenFrom(pattern, topic)).toBe(hidden);
  });
});
