import { CONNECTIONS_NAMESPACE, isConnectionsTopic } from './connection-life.ts';
import { CONTROL_NAMESPACE, isControlTopic } from './control.ts';
import { isSessionTopic, SESSION_NAMESPACE } from './direct-send.ts';
import { encodeSegment } from './segment.ts';
import { matchesPattern, namespaceOf } from './topic.ts';

/*
 * A user's inbox is `user.<id>` and the topics below it. It is that user's alone ([AUTH-8]), which needs no look at
 * who asks: a pattern that begins with `*` does not reach into the namespace, and one that names it is permitted
 * only to the user it names.
 */

export const INBOX_NAMESPACE = 'user';

/** The topic of a user's inbox. Throws a `RangeError` for an id that no segment can hold. */
export function inboxOf(userId: string): string {
  return `${INBOX_NAMESPACE}.${encodeSegment(userId)}`;
}

/** Whether a topic or pattern lies in the namespace of inboxes. */
export function isInboxTopic(topic: string): boolean {
  return namespaceOf(topic) === INBOX_NAMESPACE;
}

/** Whether a topic or pattern is for one user's or one session's eyes: an inbox, or the topic of a session. */
export function isPrivateTopic(topic: string): boolean {
  return isInboxTopic(topic) || isSessionTopic(topic);
}

/**
 * Whether a subscription to `pattern` must not be given an event of `topic` although the pattern matches it.
 * Depends on the two names alone, so that it can be decided once for all subscribers of a pattern.
 */
export function isHiddenFrom(pattern: string, topic: string): boolean {
  if (!pattern.startsWith('*')) return false;
  return isPrivateTopic(topic) || isControlTopic(topic) || isConnectionsTopic(topic);
}

/**
 * Whether one of the patterns selects the topic, for a reader: a wildcard selects nothing private ([AUTH-8]), no control topic
 * ([CTRL-3]), and no life of sessions ([LIFE-3]).
 */
export function selectsTopic(patterns: readonly string[], topic: string): boolean {
  for (const pattern of patterns) {
    if (matchesPattern(pattern, topic) && !isHiddenFrom(pattern, topic)) return true;
  }
  return false;
}

/** Patterns that select every topic, hidden ones too. */
export const EVERY_TOPIC: readonly string[] = [
  '*',
  INBOX_NAMESPACE,
  `${INBOX_NAMESPACE}.*`,
  SESSION_NAMESPACE,
  `${SESSION_NAMESPACE}.*`,
  CONTROL_NAMESPACE,
  `${CONTROL_NAMESPACE}.*`,
  CONNECTIONS_NAMESPACE,
  `${CONNECTIONS_NAMESPACE}.*`,
];
