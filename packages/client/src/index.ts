export { MillraceError, type MillraceEvent, type PublishResult, type Since } from '@millrace/protocol';
export { createClient } from './client.ts';
export type { ConsumeOptions, Consumer, ConsumerEvents, InboxOptions, Message } from './consumer-types.ts';
export type { EventFilter, FieldConditions, FieldFilter, FilterScalar } from './event-filter.ts';
export { globalPlatform, type Platform, type Socket, type SocketHandlers, type Timer } from './platform.ts';
export type {
  AnyCatalog,
  BatchOptions,
  CatalogEvent,
  Client,
  ClientEvents,
  ClientOptions,
  ConnectionState,
  EventOf,
  EventReader,
  Gap,
  Lag,
  OfflineQueueOptions,
  PublishOptions,
  ReconnectOptions,
  SessionInfo,
  SlowPolicy,
  Subscribed,
  SubscribeOptions,
  Subscription,
  SubscriptionEvents,
  TokenSource,
  TransportName,
} from './types.ts';
