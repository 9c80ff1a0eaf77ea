export { MillraceError, type MillraceEvent, type PublishResult, type Since } from '@millrace/protocol';
export { createClient } from './client.ts';
export { globalPlatform, type Platform, type Socket, type SocketHandlers, type Timer } from './platform.ts';
export type {
  AnyCatalog,
  CatalogEvent,
  Client,
  ClientEvents,
  ClientOptions,
  ConnectionState,
  EventOf,
  Gap,
  Lag,
  OfflineQueueOptions,
  PublishOptions,
  ReconnectOptions,
  SessionInfo,
  Subscribed,
  SubscribeOptions,
  Subscription,
  SubscriptionEvents,
  TokenSource,
  TransportName,
} from './types.ts';
