import {
  BROADCAST_TOPIC,
  coversPattern,
  encodeSegment,
  hasWildcard,
  INBOX_NAMESPACE,
  inboxOf,
  isConnectionsTopic,
  isControlTopic,
  isInboxTopic,
  isPrivateTopic,
  isSessionTopic,
  matchesPattern,
  type Role,
} from '@millrace/protocol';

/** What a role may do. In patterns `{self}` stands for the bearer's own id, written as one segment. */
interface RoleGrant {
  /** Patterns it reads, unless the token lists its own. */
  readonly subscribe: readonly string[];
  /** Patterns it publishes to, unless the token lists its own. `never`: whatever the token lists. */
  readonly publish: readonly string[] | 'never';
  /** May write into users' inboxes, broadcast, and send to single users and sessions. */
  readonly broadcast: boolean;
  /** Reads the control topics of what it runs: it has been given something to do, and must hear when to stop. */
  readonly followControl: boolean;
  /** May disconnect clients, delete topics and revoke tokens. */
  readonly administer: boolean;
}

const ROLE_GRANTS: Readonly<Record<Role, RoleGrant>> = {
  observer: { subscribe: ['*'], publish: 'never', broadcast: false, followControl: false, administer: false },
  member: {
    subscribe: ['*'],
    publish: ['chat.*', 'collab.*', 'presence.*'],
    broadcast: false,
    followControl: false,
    administer: false,
  },
  agent: {
    subscribe: ['*'],
    publish: ['agent.{self}', 'agent.{self}.*', 'agents.{self}', 'agents.{self}.*'],
    broadcast: false,
    followControl: true,
    administer: false,
  },
  publisher: { subscribe: ['*'], publish: ['*'], broadcast: true, followControl: true, administer: false },
  admin: { subscribe: ['*'], publish: ['*'], broadcast: true, followControl: true, administer: true },
};

/** A token's claim `topics`: each list takes the place of the roles' default. */
export interface TopicGrants {
  readonly subscribe?: readonly string[] | undefined;
  readonly publish?: readonly string[] | undefined;
}

export interface PermissionsOptions {
  readonly userId: string;
  readonly roles: readonly Role[];
  /** Valid patterns. */
  readonly topics?: TopicGrants | undefined;
}

/** The topics of the user's own inbox that `pattern` matches, as patterns. */
function ownInboxPart(pattern: string, userId: string): readonly string[] {
  const [namespace, owner, ...rest] = pattern.split('.');
  const inbox = inboxOf(userId);
  const whole = [inbox, `${inbox}.*`];
  if (namespace !== '*' && namespace !== INBOX_NAMESPACE) return [];
  if (owner === undefined) return namespace === '*' ? whole : [];
  if (owner !== '*' && owner !== encodeSegment(userId)) return [];
  if (rest.length === 0) return owner === '*' ? whole : [inbox];
  return [[inbox, ...rest].join('.')];
}

/** What one identity may do, compiled once for each token. Arguments are valid topics and patterns. */
export class Permissions {
  /** May broadcast, and send to single users and sessions. */
  readonly mayBroadcast: boolean;
  /** May disconnect clients, delete topics and revoke tokens. */
  readonly mayAdminister: boolean;
  readonly #followsControl: boolean;
  readonly #shared: readonly string[];
  readonly #ownInbox: readonly string[];
  readonly #publishable: readonly string[];

  constructor(options: PermissionsOptions) {
    const { userId, roles, topics = {} } = options;
    const grants = roles.map((role) => ROLE_GRANTS[role]);
    const self = encodeSegment(userId);
    const subscribe = topics.subscribe ?? grants.flatMap((grant) => grant.subscribe);
    const publish = grants.flatMap((grant) =>
      grant.publish === 'never'
        ? []
        : (topics.publish ?? grant.publish.map((pattern) => pattern.replace('{self}', self))),
    );
    this.mayBroadcast = grants.some((grant) => grant.broadcast);
    this.mayAdminister = grants.some((grant) => grant.administer);
    this.#followsControl = grants.some((grant) => grant.followControl);
    this.#shared = [...new Set(subscribe.filter((pattern) => !isPrivateTopic(pattern)))];
    this.#ownInbox = [...new Set(subscribe.flatMap((pattern) => ownInboxPart(pattern, userId)))];
    this.#publishable = [...new Set(publish)];
  }

  /**
   * Whether the identity may subscribe to a topic or pattern: one of its own patterns covers everything that this
   * one matches. A pattern that begins with `*` may be permitted although it matches what is private to others; the
   * hub hides that by `isHiddenFrom`.
   */
  maySubscribe(pattern: string): boolean {
    return this.#granted(pattern).some((outer) => coversPattern(outer, pattern));
  }

  /** Whether the identity may read this one topic. */
  mayRead(topic: string): boolean {
    return this.#granted(topic).some((pattern) => matchesPattern(pattern, topic));
  }

  /**
   * Whether the identity may publish to this topic. What reaches sessions unasked takes who may broadcast; to control topics
   * and the life of sessions only the server writes.
   */
  mayPublish(topic: string): boolean {
    if (isControlTopic(topic) || isConnectionsTopic(topic)) return false;
    if (!this.mayBroadcast && (isPrivateTopic(topic) || topic === BROADCAST_TOPIC)) return false;
    return this.#publishable.some((pattern) => matchesPattern(pattern, topic));
  }

  /** Everything the identity may read, its own inbox included: each of these passes {@link maySubscribe}. */
  readable(): readonly string[] {
    return [...this.#shared.filter((pattern) => this.maySubscribe(pattern)), ...this.#ownInbox];
  }

  /**
   * The patterns that may grant a topic or pattern. Of its own session's topic each session gets what there is unasked; control
   * topics are read one by one, by who runs things; who came and went is for administrators.
   */
  #granted(topic: string): readonly string[] {
    if (isSessionTopic(topic)) return [];
    if (isControlTopic(topic)) return this.#followsControl && !hasWildcard(topic) ? this.#shared : [];
    if (isConnectionsTopic(topic)) return this.mayAdminister ? this.#shared : [];
    return isInboxTopic(topic) ? this.#ownInbox : this.#shared;
  }
}
