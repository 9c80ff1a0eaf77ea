import { encodeSegment } from './segment.ts';
import { namespaceOf } from './topic.ts';

/*
 * Topics that a session gets without a subscription ([SEND-1]): broadcasts, its user's inbox (`inboxOf`), and a topic of
 * its own. They are logs like any other, so that a direct send has an order, an id and a place to resume from.
 */

/** What is written here goes to every session of the entity. */
export const BROADCAST_TOPIC = 'system.broadcast';

export const SESSION_NAMESPACE = 'session';

/** The topic of one session. Nobody subscribes to it: its session gets it by itself. */
export function sessionTopicOf(connectionId: string): string {
  return `${SESSION_NAMESPACE}.${encodeSegment(connectionId)}`;
}

/** Whether a topic or pattern lies in the namespace of sessions. */
export function isSessionTopic(topic: string): boolean {
  return namespaceOf(topic) === SESSION_NAMESPACE;
}
