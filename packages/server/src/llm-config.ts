import { randomUUID } from 'node:crypto';
import type { Catalog } from '@millrace/catalog';
import { type Chat, chatView } from '@millrace/catalog/views';
import type { Clock } from './clock.ts';
import { type Config, ConfigError } from './config.ts';
import { durationMs } from './duration.ts';
import type { Engine } from './engine/engine.ts';
import type { SnapshotSource } from './hub/snapshot.ts';
import type { LlmProvider } from './llm/llm-provider.ts';
import { LlmService } from './llm/llm-service.ts';
import { newestChat } from './llm/newest-chat.ts';
import { createOpenAiProvider, loadOpenAi } from './llm/open-ai-provider.ts';
import type { Publisher } from './session/publisher.ts';

/** Longest text of one token event, whatever a message may have. */
const MAX_EVENT_CHARS = 8000;
/** What surrounds the text in an event, and what JSON may make of one character. */
const EVENT_OVERHEAD_BYTES = 512;
const MAX_BYTES_PER_CHAR = 6;

/**
 * Who answers: the application's own providers and those of the configuration, the default one first. Throws a `ConfigError` where
 * the package is missing that they need.
 */
export async function llmProvidersOf(
  { llm }: Config,
  own: Readonly<Record<string, LlmProvider>>,
  clock: Clock,
): Promise<ReadonlyMap<string, LlmProvider>> {
  const configured = Object.entries(llm.providers);
  const providers = new Map(Object.entries(own));
  if (configured.length > 0) {
    const openAi = await loadOpenAi().catch((error: Error) => {
      throw new ConfigError([error.message]);
    });
    const timeoutMs = durationMs(llm.timeout);
    for (const [name, { apiKeyFile: _, ...options }] of configured) {
      providers.set(name, createOpenAiProvider(openAi, { ...options, timeoutMs, clock }));
    }
  }
  return defaultFirst(providers, llm.default);
}

function defaultFirst(
  providers: ReadonlyMap<string, LlmProvider>,
  name: string | undefined,
): ReadonlyMap<string, LlmProvider> {
  if (name === undefined) return providers;
  const first = providers.get(name);
  if (first !== undefined) return new Map([[name, first], ...providers]);
  const known = [...providers.keys()].join(', ') || 'nobody';
  throw new ConfigError([`llm.default: ${JSON.stringify(name)} is no provider; there is ${known}`]);
}

export function createLlmService(
  { llm, limits }: Config,
  parts: {
    readonly providers: ReadonlyMap<string, LlmProvider>;
    readonly engine: Engine;
    readonly publisher: Publisher;
    readonly catalog: Catalog;
    readonly snapshots: SnapshotSource;
    readonly clock: Clock;
    readonly log: (fields: object, message: string) => void;
    readonly onError: (error: unknown, doing: string) => void;
  },
): LlmService {
  return new LlmService({
    ...parts,
    random: Math.random,
    newId: randomUUID,
    systemPrompt: llm.systemPrompt,
    times: {
      firstTokenMs: durationMs(llm.firstTokenTimeout),
      betweenTokensMs: durationMs(llm.tokenTimeout),
      wholeMs: durationMs(llm.timeout),
    },
    maxRetries: llm.maxRetries,
    windowMs: durationMs(llm.window),
    bounds: { max: llm.maxStreams, maxPerUser: llm.maxStreamsPerUser },
    history: { maxMessages: llm.historyMessages, maxChars: llm.historyChars },
    maxEventChars: Math.min(
      MAX_EVENT_CHARS,
      Math.floor((limits.maxMessageBytes - EVENT_OVERHEAD_BYTES) / MAX_BYTES_PER_CHAR),
    ),
    chatOf: chatReader(parts),
  });
}

/** Reads a conversation as everybody sees it; where users gave it another view, from its newest events. */
function chatReader({
  engine,
  catalog,
  snapshots,
}: {
  readonly engine: Engine;
  readonly catalog: Catalog;
  readonly snapshots: SnapshotSource;
}): (entity: string, topic: string) => Promise<Chat> {
  return async (entity, topic) => {
    if (catalog.viewOf(topic) !== chatView) return newestChat(engine, entity, topic);
    const { state } = await snapshots.ofTopic(entity, topic);
    return JSON.parse(state) as Chat;
  };
}
