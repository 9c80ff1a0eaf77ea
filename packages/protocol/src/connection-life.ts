import { namespaceOf } from './topic.ts';

/*
 * A session's life is events on `connections.<door>` of its entity ([LIFE-1]): who came and went, when, and why. They name
 * users, and so are for administrators alone, who ask for them by name: a wildcard never selects the namespace.
 */

export const CONNECTIONS_NAMESPACE = 'connections';

/** Where the sessions of a door are told. */
export function connectionsTopicOf(door: string): string {
  return `${CONNECTIONS_NAMESPACE}.${door}`;
}

/** Whether a topic or pattern lies in their namespace. */
export function isConnectionsTopic(topic: string): boolean {
  return namespaceOf(topic) === CONNECTIONS_NAMESPACE;
}
