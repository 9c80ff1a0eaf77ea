import { encodeSegment, INBOX_NAMESPACE, isInboxTopic, isPrivateTopic, isTopic } from '@millrace/protocol';

/** Whose progress through which topic. */
export interface ConsumerKey {
  readonly entity: string;
  readonly topic: string;
  /** As the engine knows it: the user's id as a segment, a colon, and the name that the user's sessions gave. */
  readonly name: string;
}

/** The one consumer of an inbox, whatever a session calls it: a message has one status. */
export const INBOX_CONSUMER = 'inbox';

const INBOX_PREFIX = `${INBOX_NAMESPACE}.`;
const DEAD_LETTERS = 'dead-letter';

/** Whether a topic is a user's inbox itself, and not one of the topics below it. */
export function isInbox(topic: string): boolean {
  return topic.startsWith(INBOX_PREFIX) && !topic.includes('.', INBOX_PREFIX.length);
}

/**
 * The consumer that a user means by a name. It is the user's own, so that nobody acknowledges for somebody else; all
 * sessions of the user that give the same name share it.
 */
export function consumerKey(
  { entityId, userId }: { readonly entityId: string; readonly userId: string },
  topic: string,
  name: string,
): ConsumerKey {
  return {
    entity: entityId,
    topic,
    name: `${encodeSegment(userId)}:${isInbox(topic) ? INBOX_CONSUMER : name}`,
  };
}

/** What the names of a user's consumers, as the engine knows them, begin with. */
export function consumerPrefix({ name }: ConsumerKey): string {
  return name.slice(0, name.indexOf(':') + 1);
}

/** The consumer of an inbox. */
export function inboxKey(entity: string, inbox: string): ConsumerKey {
  return { entity, topic: inbox, name: `${inbox.slice(INBOX_PREFIX.length)}:${INBOX_CONSUMER}` };
}

/** Where a consumer's events go that are given up: of an inbox and what lies below it, where only its user reads. */
export function deadLetterTopicOf(topic: string): string {
  if (!isInboxTopic(topic)) return `${DEAD_LETTERS}.${topic}`;
  return `${topic.split('.').slice(0, 2).join('.')}.${DEAD_LETTERS}`;
}

/** Whether a topic holds what was given up. What fails there once more stays there. */
export function isDeadLetterTopic(topic: string): boolean {
  const [namespace, , third] = topic.split('.');
  return namespace === DEAD_LETTERS || (namespace === INBOX_NAMESPACE && third === DEAD_LETTERS);
}

/** Why a topic can have no consumers, as the end of a sentence; `undefined` where it can. */
export function findConsumerProblem(topic: string): string | undefined {
  // Its dead letters would be for others' eyes.
  if (isPrivateTopic(topic) && !isInboxTopic(topic)) return 'is one session’s alone';
  if (!isDeadLetterTopic(topic) && !isTopic(deadLetterTopicOf(topic)))
    return 'is too long for its dead letters to have a topic';
  return undefined;
}
