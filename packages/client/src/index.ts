export type { MillraceEvents } from '@millrace/catalog';
export { MillraceError, type MillraceEvent, type PublishResult, type Since } from '@millrace/protocol';
export { createClient } from './client.ts';
export type { ConsumeOptions, Consumer, ConsumerEvents, InboxOptions, Message } from './consumer-types.ts';
export type { EventFilter, FieldConditions, FieldFilter, FilterScalar } from './event-filter.ts';
export {
  globalPlatform,
  type LastEvent,
  type LastWords,
  type Platform,
  type ProcessEnd,
  type Socket,
  type SocketHandlers,
  type Timer,
  type Unfinished,
} from './platform.ts';
export type * from './trackers/tracker-types.ts';
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
  OpenCatalog,
  PublishOptions,
  ReconnectOptions,
  SessionInfo,
  SlowPolicy,
  Snapshot,
  Subscribed,
  SubscribeOptions,
  Subscription,
  SubscriptionEvents,
  TokenSource,
  TransportName,
  UndeclaredName,
} from './types.ts';
export type { LiveView, LiveViewEvents } from './view-types.ts';
