import type { Chat } from '@millrace/catalog/views';
import { controlTopicOf, MillraceError, readControl } from '@millrace/protocol';
import type { Identity } from '../auth/identity.ts';
import type { Clock } from '../clock.ts';
import type { Engine, Following } from '../engine/engine.ts';
import type { Publisher } from '../session/publisher.ts';
import { Answer } from './answer.ts';
import {
  type AnswerRequest,
  answerOf,
  assertMayAsk,
  spokenMessage,
  topicOfConversation,
} from './answer-request.ts';
import { type AnswerBounds, AnswerSlots } from './answer-slots.ts';
import { AnswerWriter } from './answer-writer.ts';
import type { AnswerTimes } from './attempt.ts';
import { type HistoryBounds, historyOf } from './conversation-history.ts';
import { ConversationLog } from './conversation-log.ts';
import { LlmFigures } from './llm-figures.ts';
import type { LlmMessage, LlmProvider } from './llm-provider.ts';
import { type OpenStream, OpenStreams } from './open-streams.ts';
import type { ProviderError } from './provider-error.ts';
import { TokenBeat } from './token-beat.ts';

export interface LlmServiceOptions {
  readonly engine: Engine;
  readonly publisher: Publisher;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  /** Ids that nobody guesses. */
  readonly newId: () => string;
  /** Who answers, by name; the first is asked unless the request names one. */
  readonly providers: ReadonlyMap<string, LlmProvider>;
  /** Said to every model before the conversation. */
  readonly systemPrompt: string | undefined;
  readonly times: AnswerTimes;
  readonly maxRetries: number;
  /** How long tokens are collected for one event. */
  readonly windowMs: number;
  readonly bounds: AnswerBounds;
  readonly history: HistoryBounds;
  /** Longest text of an event, in UTF-16 code units. */
  readonly maxEventChars: number;
  /** What a conversation adds up to. */
  readonly chatOf: (entity: string, topic: string) => Promise<Chat>;
  /** Why answers fail, for the operator. */
  readonly log: (fields: object, message: string) => void;
  readonly onError: (error: unknown, doing: string) => void;
}

/** An answer that has begun: everything of it follows the position. */
export interface BegunAnswer {
  readonly stream_id: string;
  readonly conversation_id: string;
  readonly topic: string;
  readonly position: string;
}

/** What somebody wants of an answer that may be under way. */
export interface CancelRequest {
  readonly streamId: string;
  /** Needed for an answer that another process gives. */
  readonly conversationId: string | undefined;
  readonly reason: string | undefined;
}

/** A request in which everything is decided. */
interface Question {
  readonly stream: OpenStream;
  readonly conversationId: string;
  readonly userId: string;
  readonly providerName: string;
  readonly provider: LlmProvider;
  readonly messages: readonly LlmMessage[];
  readonly request: AnswerRequest;
}

/** How long the log may refuse an answer's text. */
const MAX_STALL_MS = 30_000;
/** For the ends of answers to be stored when the server closes. */
const CLOSE_MS = 2000;

/**
 * Answers of language models, published token by token in conversations. An answer goes on whether or not anybody reads it, and
 * always has an end in its topic: where this process is killed, the next one says it.
 */
export class LlmService {
  readonly figures: LlmFigures = new LlmFigures();
  readonly #options: LlmServiceOptions;
  readonly #slots: AnswerSlots;
  readonly #beat: TokenBeat;
  readonly #openStreams: OpenStreams;
  readonly #log: ConversationLog;
  readonly #answers = new Map<string, Answer>();
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(options: LlmServiceOptions) {
    const { clock, windowMs, publisher } = options;
    this.#options = options;
    this.#slots = new AnswerSlots(options.bounds);
    this.#openStreams = new OpenStreams(options);
    this.#log = new ConversationLog(publisher);
    this.#beat = new TokenBeat({
      clock,
      windowMs,
      publish: (entity, inputs) => publisher.publishInternally(entity, inputs),
    });
  }

  /** Brings to an end what an earlier process left open. Call it before the first request. */
  async start(): Promise<void> {
    let ended = true;
    for (const stream of await this.#openStreams.left()) ended = (await this.#seal(stream)) && ended;
    if (ended) await this.#openStreams.forgetAll();
  }

  /**
   * Begins an answer, and resolves when it is sure to have an end. Rejects with a `MillraceError`: `not-supported` without a
   * provider, `forbidden`, `bad-message`, `overloaded` at a bound, or as a publication does.
   */
  async begin(identity: Identity, request: AnswerRequest): Promise<BegunAnswer> {
    if (this.#closed) throw new MillraceError('draining', 'the server is shutting down');
    const [providerName, provider] = this.#providerOf(request);
    const conversationId = request.conversation_id ?? this.#options.newId();
    const topic = topicOfConversation(conversationId);
    const userId = request.user_id ?? identity.userId;
    assertMayAsk(identity, topic, userId);
    const release = this.#takeSlot(identity.entityId, userId);
    try {
      const messages = await this.#messagesFor(identity, topic, request);
      const stream = { entity: identity.entityId, topic, stream_id: this.#options.newId() };
      const question = { stream, conversationId, userId, providerName, provider, messages, request };
      return await this.#begin(question, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * Asks whoever gives an answer to stop: this node, or who publishes it with the SDK. Rejects with a `MillraceError`: `not-found`
   * where no such answer is under way, `forbidden` for those who neither publish in the conversation nor read it as members.
   */
  async cancel(identity: Identity, request: CancelRequest): Promise<{ readonly topic: string }> {
    const { streamId, reason } = request;
    const topic = await this.#topicOf(identity, request);
    assertMayCancel(identity, topic);
    this.#answerOf(identity.entityId, streamId)?.cancel();
    await this.#log.cancel(identity.entityId, {
      id: streamId,
      topic,
      user_id: identity.userId,
      ...(reason !== undefined && { reason }),
    });
    return { topic };
  }

  /** Ends every answer as interrupted, and resolves when that is stored, or cannot be. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const answer of this.#answers.values()) answer.interrupt();
    const late = new Promise<void>((resolve) => {
      this.#options.clock.after(CLOSE_MS, resolve);
    });
    await Promise.race([Promise.all(this.#running), late]);
    this.#beat.close();
  }

  #providerOf({ ai_provider: name }: AnswerRequest): readonly [name: string, provider: LlmProvider] {
    const { providers } = this.#options;
    const [first] = providers;
    if (first === undefined) {
      throw new MillraceError('not-supported', 'no provider is configured: see llm.providers');
    }
    if (name === undefined) return first;
    const provider = providers.get(name);
    if (provider !== undefined) return [name, provider];
    const known = [...providers.keys()].join(', ');
    throw new MillraceError('bad-message', `"/ai_provider" must be one of ${known}`, {
      details: { path: '/ai_provider' },
    });
  }

  #takeSlot(entityId: string, userId: string): () => void {
    try {
      return this.#slots.take(entityId, userId);
    } catch (error) {
      this.figures.refused++;
      throw error;
    }
  }

  async #messagesFor(
    { entityId, permissions }: Identity,
    topic: string,
    { prompt, messages = [], conversation_id }: AnswerRequest,
  ): Promise<LlmMessage[]> {
    const { systemPrompt, chatOf, history } = this.#options;
    const system: LlmMessage[] =
      systemPrompt === undefined ? [] : [{ role: 'system', content: systemPrompt }];
    if (prompt === undefined) return [...system, ...messages.map(({ role, content }) => ({ role, content }))];
    // A model repeats what it is told: only to those who may read it.
    const isKnown = conversation_id !== undefined && permissions.mayRead(topic);
    const before = isKnown ? historyOf(await chatOf(entityId, topic), history) : [];
    return [...system, ...before, { role: 'user', content: prompt }];
  }

  /** Says what was asked and that it is being answered; from where on the answer follows. */
  async #open({
    stream,
    conversationId,
    userId,
    providerName,
    provider,
    request,
  }: Question): Promise<string> {
    const { newId } = this.#options;
    const spoken = spokenMessage(request);
    if (spoken !== undefined) await this.#log.say(stream, { ...spoken, id: spoken.id ?? newId() }, userId);
    await this.#openStreams.opened(stream);
    try {
      return await this.#log.begin(stream, {
        conversation_id: conversationId,
        message_id: newId(),
        provider: providerName,
        model: provider.model,
        user_id: userId,
        ...(request.session_id !== undefined && { session_id: request.session_id }),
      });
    } catch (error) {
      // It may have begun all the same; then it has to end.
      await this.#log.interrupt(stream, 0).catch(() => {});
      throw error;
    }
  }

  async #begin(question: Question, release: () => void): Promise<BegunAnswer> {
    const { stream, conversationId } = question;
    const answer = this.#answerTo(question);
    const control = await this.#followControl(answer);
    try {
      const position = await this.#open(question);
      this.#give(answer, stream, () => {
        control?.stop();
        release();
      });
      return { stream_id: stream.stream_id, conversation_id: conversationId, topic: stream.topic, position };
    } catch (error) {
      control?.stop();
      throw error;
    }
  }

  /** Lets the answer come, whoever is there to see it. */
  #give(answer: Answer, stream: OpenStream, onEnded: () => void): void {
    const { figures } = this;
    figures.started++;
    figures.open++;
    this.#answers.set(stream.stream_id, answer);
    if (this.#closed) answer.interrupt();
    const given = answer
      .run()
      .catch((error: unknown) => this.#options.onError(error, 'storing an answer'))
      .then(() => {
        figures.open--;
        this.#answers.delete(stream.stream_id);
        onEnded();
        return this.#openStreams.closed(stream);
      })
      .finally(() => this.#running.delete(given));
    this.#running.add(given);
  }

  #answerTo({ stream, provider, providerName, messages }: Question): Answer {
    const { entity, topic, stream_id: streamId } = stream;
    const writer = new AnswerWriter({
      ...this.#options,
      streamId,
      entity,
      topic,
      beat: this.#beat,
      maxStallMs: MAX_STALL_MS,
    });
    const { figures } = this;
    const onFailed = ({ code, message, detail }: ProviderError): void => {
      this.#options.log({ streamId, provider: providerName, code, detail }, `an answer failed: ${message}`);
    };
    return new Answer({
      ...this.#options,
      streamId,
      entity,
      topic,
      provider,
      messages,
      writer,
      figures,
      onFailed,
    });
  }

  /** An answer goes on where its control cannot be followed: it only cannot be cancelled from elsewhere. */
  async #followControl(answer: Answer): Promise<Following | undefined> {
    const { engine, onError } = this.#options;
    try {
      return await engine.follow(answer.entity, controlTopicOf(answer.streamId), {
        onEvents: (events) => {
          for (const { event, data } of events) {
            const asked = readControl({ event, data: JSON.parse(data) });
            if (asked?.event !== 'control.cancel') continue;
            // It was checked who asks for that conversation, not for this one.
            if (asked.data.topic === undefined || asked.data.topic === answer.topic) answer.cancel();
          }
        },
        onGap: () => {},
      });
    } catch (error) {
      onError(error, 'following what is wanted of an answer');
      return undefined;
    }
  }

  #answerOf(entityId: string, streamId: string): Answer | undefined {
    const answer = this.#answers.get(streamId);
    return answer?.entity === entityId ? answer : undefined;
  }

  /** The topic of an answer that is under way. */
  async #topicOf(identity: Identity, { streamId, conversationId }: CancelRequest): Promise<string> {
    const { entityId } = identity;
    const answer = this.#answerOf(entityId, streamId);
    if (answer !== undefined) return answer.topic;
    if (conversationId !== undefined) {
      const topic = topicOfConversation(conversationId);
      // Before anything is read for who asks.
      assertMayCancel(identity, topic);
      const chat = await this.#options.chatOf(entityId, topic);
      if (answerOf(chat, streamId)?.state === 'streaming') return topic;
    }
    const where =
      conversationId === undefined ? 'by this server; name its conversation_id' : 'in this conversation';
    throw new MillraceError('not-found', `no answer of this id is being given ${where}`);
  }

  /** Says the end of an answer that nobody gives any more, unless it has one. True when it has one now. */
  async #seal(stream: OpenStream): Promise<boolean> {
    const { engine, onError } = this.#options;
    try {
      if ((await engine.head(stream.entity, stream.topic)) === undefined) return true;
      if (await this.#log.interrupt(stream, await this.#tokensOf(stream))) this.figures.sealed++;
      return true;
    } catch (error) {
      onError(error, 'ending an answer that was left open');
      return error instanceof MillraceError && !error.retryable;
    }
  }

  /** How far an answer came, where that can be read: its end does not depend on it. */
  async #tokensOf({ entity, topic, stream_id }: OpenStream): Promise<number | undefined> {
    try {
      return answerOf(await this.#options.chatOf(entity, topic), stream_id)?.tokens;
    } catch (error) {
      this.#options.onError(error, 'reading how far an answer came that was left open');
      return undefined;
    }
  }
}

/** Members who read a conversation may stop what is said to all of them; who only watches may not. */
function assertMayCancel({ permissions, roles }: Identity, topic: string): void {
  const maySpeak = permissions.mayPublish(topic);
  const isMember = roles.some((role) => role !== 'observer') && permissions.mayRead(topic);
  if (maySpeak || isMember) return;
  throw new MillraceError('forbidden', `the token does not permit stopping what is said in "${topic}"`, {
    details: { topic },
  });
}
