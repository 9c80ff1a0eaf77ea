import { describe, expect, test } from 'vitest';
import { sessionTopicOf } from './direct-send.ts';
import { EVERY_TOPIC, inboxOf, isHiddenFrom, isInboxTopic, selectsTopic } from './inbox.ts';

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
    ['*', 'session.k3-1', true],
    ['*.k3-1', 'session.k3-1', true],
    ['session.k3-1', 'session.k3-1', false],
  ])('[AUTH-8] what %s matches of %s is hidden: %s', ([pattern, topic, hidden]) => {
    expect(isHiddenFrom(pattern, topic)).toBe(hidden);
  });

  test.for(['task', 'task.a', 'user.alice', 'user.alice.mail', sessionTopicOf('k3-1')])(
    'the server itself follows %s',
    (topic) => {
      expect(selectsTopic(EVERY_TOPIC, topic)).toBe(true);
    },
  );
});
