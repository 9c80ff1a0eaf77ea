export { type FrameScheduler, frameScheduler } from './frame-scheduler.ts';
export { MillraceProvider, type MillraceProviderProps, useMillrace } from './millrace-provider.tsx';
export type { ReadOptions } from './read-options.ts';
export type { FeedPhase, FeedStatus } from './topic-feed.ts';
export type { TopicSnapshot } from './topic-store.ts';
export { useConnectionState } from './use-connection-state.ts';
export { type UseEventBatchesOptions, useEventBatches } from './use-event-batches.ts';
export { useLatest } from './use-latest.ts';
export { type UseTopicOptions, useTopic } from './use-topic.ts';
