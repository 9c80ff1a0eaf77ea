import { DEFAULT_LIMITS } from '@millrace/protocol';
import Type from 'typebox';
import { bound, count, duration, section } from './section.ts';

const RATE = {
  messagesPerSecond: bound('Sustained messages a second.'),
  messageBurst: bound('Messages that may come at once.'),
  messagesPerMinute: bound('Sustained messages a minute, beside those a second; any number when missing.'),
  minuteBurst: bound('Of those a minute, how many may come at once; 10 when missing.'),
};

export const LimitsSchema = section('Bounds of the node, of a session and of a message.', {
  maxConnections: count('Connections of this node; more are answered with 503.', 10_000),
  maxConnectionsPerEntity: bound('Connections of one entity at this node; any number when missing.'),
  maxConnectionsPerUser: bound('Connections of one user at this node; any number when missing.'),
  maxConnectionsPerAddress: bound(
    'Connections from one address (of IPv6: from one network of 64 bits) at this node; any number when missing.',
  ),
  connectionsPerSecond: bound(
    'New connections a second from one address; more are answered with 429. As fast as they come when missing.',
  ),
  connectionBurst: count(
    'New connections from one address that may come at once, where their rate is limited.',
    20,
  ),
  maxMessageBytes: count('Largest message from a client.', DEFAULT_LIMITS.maxMessageBytes, {
    minimum: 1024,
  }),
  maxJsonDepth: count('Deepest nesting of a message.', DEFAULT_LIMITS.maxJsonDepth),
  maxSubscriptions: count('Subscriptions of one session.', DEFAULT_LIMITS.maxSubscriptions),
  maxEarlyBytes: count('Bytes of messages that may wait while a token is being checked.', 131_072, {
    minimum: 1024,
  }),
  ...RATE,
  messagesPerSecond: count(
    'Sustained messages a second from one client, over a socket or HTTP; publishers and admins are exempt.',
    DEFAULT_LIMITS.messagesPerSecond,
  ),
  messageBurst: count('Messages that may come at once.', DEFAULT_LIMITS.messageBurst),
  roles: Type.Optional(
    section('Other rates for a role; of several roles the one that may most counts.', {
      observer: Type.Optional(section('Observers.', RATE)),
      member: Type.Optional(section('Members.', RATE)),
      agent: Type.Optional(section('Agents.', RATE)),
      publisher: Type.Optional(section('Publishers; without it they are not limited.', RATE)),
      admin: Type.Optional(section('Administrators; without it they are not limited.', RATE)),
    }),
  ),
  maxViolations: count(
    'Messages of one user that come too fast, within the window, after which it is disconnected and banned.',
    500,
  ),
  maxAddressViolations: count(
    'Bad tokens, early messages and unfinished handshakes of one address, within the window, after which it is banned.',
    100,
  ),
  violationWindow: duration('What violations are counted in; it begins with the first.', '10s'),
  banDuration: duration('How long a ban lasts.', '5m'),
  authTimeout: duration('From the connection, TLS and headers included, to a valid token.', '10s'),
  maxRequestBytes: count(
    'Bytes of bodies and answers over HTTP that may be under way at once; more are answered with 503.',
    268_435_456,
  ),
  maxRequestBytesPerUser: count('The same of one user.', 67_108_864),
  requestTimeout: duration('For an HTTP request to arrive, its body included.', '30s'),
  messageTimeout: duration(
    'How long a message that has begun may stand still before its session is closed.',
    '10s',
  ),
  idleTimeout: duration('A session not heard for so long is closed.', '2m'),
  heartbeat: duration('A silent client is pinged at this pace.', '30s'),
  closingTimeout: duration('What is left of a session that ended so long ago is destroyed.', '5m'),
  sessionLifetime: duration('Longest session without a fresh token.', '1h'),
  maxInFlightBytes: count('Bytes on their way to one client before it counts as slow.', 1_048_576, {
    minimum: 65_536,
  }),
  maxQueuedEvents: count(
    'Events that wait for one slow client under `drop-oldest` and `conflate`, over all its subscriptions.',
    100,
  ),
  maxQueuedBytes: count('Bytes of their data.', 1_048_576),
});
