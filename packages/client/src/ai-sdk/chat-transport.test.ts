import { Chat } from '@ai-sdk/react';
import { TestServer, until } from '@millrace/testkit';
import type { UIMessage } from 'ai';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CuttableProxy } from '../../test/cuttable-proxy.ts';
import { globalPlatform } from '../platform.ts';
import {
  type ChatTransportOptions,
  createChatTransport,
  type MillraceChatTransport,
} from './chat-transport.ts';

let server: TestServer;
const ends: (() => unknown)[] = [];

beforeEach(async () => {
  server = await TestServer.start();
  ends.push(() => server.close());
});

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server that answers as a test says: what was asked and cancelled, and answers to publish. */
class Answers {
  readonly questions: Record<string, unknown>[] = [];
  readonly cancelled: string[] = [];
  refuse: Response | undefined;
  /** Answers that have begun. */
  begun = 0;
  #streams = 0;

  readonly platform: NonNullable<ChatTransportOptions['platform']> = {
    ...globalPlatform,
    fetch: async (url, init) => {
      const cancel = /\/llm\/([^/]+)\/cancel$/.exec(url)?.[1];
      if (cancel !== undefined) {
        this.cancelled.push(cancel);
        await this.end(cancel, { finish_reason: 'cancelled' });
        return Response.json({ stream_id: cancel }, { status: 202 });
      }
      return url.endsWith('/llm/stream')
        ? this.#ask(JSON.parse(String(init.body)))
        : globalPlatform.fetch(url, init);
    },
  };

  start(stream_id: string, more: object = {}): Promise<unknown> {
    return publish('stream.start', { stream_id, ...more });
  }

  token(stream_id: string, index: number, text: string): Promise<unknown> {
    return publish('stream.token', { stream_id, index, text });
  }

  end(stream_id: string, more: object = {}): Promise<unknown> {
    const figures = { tokens: 2, duration_ms: 10, tokens_per_second: 200 };
    return publish('stream.end', { stream_id, ...figures, finish_reason: 'stop', ...more });
  }

  async #ask(question: Record<string, unknown>): Promise<Response> {
    this.questions.push(question);
    if (this.refuse !== undefined) return this.refuse;
    const stream_id = `s${++this.#streams}`;
    const { prompt, message_id, messages, session_id } = question as {
      prompt?: string;
      message_id?: string;
      messages?: { id: string; content: string }[];
      session_id: string;
    };
    const last = messages?.at(-1);
    await publish('chat.message', {
      message_id: message_id ?? last?.id,
      role: 'user',
      text: prompt ?? last?.content,
    });
    await this.start(stream_id, { session_id });
    this.begun++;
    return Response.json({ stream_id }, { status: 202 });
  }
}

const publish = (event: string, data: object) => server.server.publish('chat.c1', event, data);

function transportOf(answers: Answers, options: Partial<ChatTransportOptions> = {}): MillraceChatTransport {
  const transport = createChatTransport({
    url: server.origin,
    token: () => server.token({ sub: 'ann', roles: ['member'] }),
    platform: answers.platform,
    ...options,
  });
  ends.push(() => transport.close());
  return transport;
}

const begun = (answers: Answers, count: number): Promise<void> =>
  until(() => answers.begun === count, 'the answer to begin');

const texts = (messages: readonly UIMessage[]): string[] =>
  messages.map(({ role, parts }) =>
    [role, ...parts.map((part) => (part.type === 'text' ? part.text : part.type))].join(': '),
  );

describe('a chat of the AI SDK', () => {
  test('asks, sees tokens come, and ends with the whole answer under the stream’s id', async () => {
    const answers = new Answers();
    const chat = new Chat({ id: 'c1', transport: transportOf(answers) });
    const sending = chat.sendMessage({ text: 'Hi' });
    await begun(answers, 1);
    expect(chat.status).toBe('submitted');
    await answers.token('s1', 0, 'Hel');
    await until(() => texts(chat.messages).at(-1) === 'assistant: Hel', 'the first token');
    expect(chat.status).toBe('streaming');
    await answers.token('s1', 1, 'lo');
    await answers.end('s1');
    await sending;
    expect(texts(chat.messages)).toEqual(['user: Hi', 'assistant: Hello']);
    expect(chat.messages.at(-1)?.id).toBe('s1');
    expect(chat.status).toBe('ready');
    expect(answers.questions[0]).toMatchObject({
      conversation_id: 'c1',
      prompt: 'Hi',
      message_id: chat.messages[0]?.id,
    });
  });

  test('asks again with all that was said, without what is to be said anew', async () => {
    const answers = new Answers();
    const chat = new Chat({ id: 'c1', transport: transportOf(answers, { provider: 'local' }) });
    const complete = async (streamId: string, text: string, asking: Promise<void>) => {
      await begun(answers, Number(streamId.slice(1)));
      await answers.token(streamId, 0, text);
      await answers.end(streamId);
      await asking;
    };
    await complete('s1', 'One', chat.sendMessage({ text: 'Count' }));
    await complete('s2', 'Uno', chat.regenerate());
    expect(texts(chat.messages)).toEqual(['user: Count', 'assistant: Uno']);
    const [question] = chat.messages;
    expect(answers.questions[1]).toMatchObject({
      ai_provider: 'local',
      messages: [{ role: 'user', content: 'Count', id: question?.id }],
    });
    await complete('s3', 'Due', chat.sendMessage({ text: 'Conta', messageId: question?.id ?? '' }));
    expect(texts(chat.messages)).toEqual(['user: Conta', 'assistant: Due']);
    const [said] = (answers.questions[2]?.messages ?? []) as { content: string; id: string }[];
    // A message is said once under its id, and this one says something else.
    expect(said).toMatchObject({ content: 'Conta', id: expect.stringMatching(`^${question?.id}-`) });
  });

  test('stop cancels the answer, and keeps what has come', async () => {
    const answers = new Answers();
    const chat = new Chat({ id: 'c1', transport: transportOf(answers) });
    const sending = chat.sendMessage({ text: 'Hi' });
    await begun(answers, 1);
    await answers.token('s1', 0, 'Hel');
    await until(() => texts(chat.messages).at(-1) === 'assistant: Hel', 'the first token');
    await chat.stop();
    await sending;
    await until(() => answers.cancelled.length === 1, 'the cancellation');
    expect(answers.cancelled).toEqual(['s1']);
    expect(texts(chat.messages)).toEqual(['user: Hi', 'assistant: Hel']);
    expect(chat.status).toBe('ready');
  });

  test('stop only stops this reader where it is told so', async () => {
    const answers = new Answers();
    const chat = new Chat({ id: 'c1', transport: transportOf(answers, { cancelOnStop: false }) });
    const sending = chat.sendMessage({ text: 'Hi' });
    await begun(answers, 1);
    await answers.token('s1', 0, 'Hel');
    await until(() => texts(chat.messages).at(-1) === 'assistant: Hel', 'the first token');
    await chat.stop();
    await sending;
    const resuming = chat.resumeStream();
    await answers.token('s1', 1, 'lo');
    await answers.end('s1');
    await resuming;
    expect(answers.cancelled).toEqual([]);
    expect(texts(chat.messages)).toEqual(['user: Hi', 'assistant: Hello']);
  });

  test('a refusal is the chat’s error, with what the server said', async () => {
    const answers = new Answers();
    answers.refuse = Response.json(
      { code: 'forbidden', detail: 'not here', retryable: false },
      { status: 403 },
    );
    const chat = new Chat({ id: 'c1', transport: transportOf(answers) });
    await chat.sendMessage({ text: 'Hi' });
    expect(chat.status).toBe('error');
    expect(chat.error?.message).toContain('not here');
  });

  test('an answer that fails is the chat’s error, and keeps what has come', async () => {
    const answers = new Answers();
    const chat = new Chat({ id: 'c1', transport: transportOf(answers) });
    const sending = chat.sendMessage({ text: 'Hi' });
    await begun(answers, 1);
    await answers.token('s1', 0, 'Hel');
    await publish('stream.error', {
      stream_id: 's1',
      code: 'interrupted',
      message: 'it broke',
      retryable: true,
    });
    await sending;
    expect(chat.error?.message).toBe('it broke');
    expect(texts(chat.messages)).toEqual(['user: Hi', 'assistant: Hel']);
  });

  test('takes no files', async () => {
    const chat = new Chat({ id: 'c1', transport: transportOf(new Answers()) });
    const file = { type: 'file', url: 'data:,x', mediaType: 'text/plain' } as const;
    await chat.sendMessage({ text: 'Look', files: [file] });
    expect(chat.error?.message).toContain('no files');
  });
});

describe('a chat that comes back', () => {
  test('has what was said, and reads on in the middle of an answer', async () => {
    const answers = new Answers();
    await publish('chat.message', { message_id: 'm1', role: 'user', text: 'Hi' });
    await answers.start('old');
    await answers.token('old', 0, 'Hello');
    await answers.end('old');
    await publish('chat.message', { message_id: 'm2', role: 'user', text: 'And?' });
    await answers.start('new');
    await answers.token('new', 0, 'Go');
    const transport = transportOf(answers);
    const messages = await transport.messages('c1');
    expect(texts(messages)).toEqual(['user: Hi', 'assistant: Hello', 'user: And?']);
    const chat = new Chat({ id: 'c1', transport, messages });
    const resuming = chat.resumeStream();
    await until(() => texts(chat.messages).at(-1) === 'assistant: Go', 'the text so far');
    await answers.token('new', 1, ' on');
    await answers.end('new');
    await resuming;
    expect(texts(chat.messages).slice(2)).toEqual(['user: And?', 'assistant: Go on']);
  });

  test('an answer that ended between reading the history and resuming is not lost', async () => {
    const answers = new Answers();
    await answers.start('s');
    await answers.token('s', 0, 'almost');
    const transport = transportOf(answers);
    const chat = new Chat({ id: 'c1', transport, messages: await transport.messages('c1') });
    await answers.token('s', 1, ' done');
    await answers.end('s');
    await chat.resumeStream();
    await until(() => texts(chat.messages).at(-1) === 'assistant: almost done', 'the answer');
    expect(chat.status).toBe('ready');
  });

  test('there is nothing to resume where nothing is open', async () => {
    const transport = transportOf(new Answers());
    expect(await transport.messages('c1')).toEqual([]);
    expect(await transport.reconnectToStream({ chatId: 'c1' })).toBeNull();
  });

  test('whoever only looked for an answer does not cancel it', async () => {
    const answers = new Answers();
    await answers.start('s');
    const transport = transportOf(answers);
    const abort = new AbortController();
    const looking = transport.reconnectToStream({ chatId: 'c1', abortSignal: abort.signal });
    abort.abort();
    expect(await looking).toBeNull();
    expect(await transport.reconnectToStream({ chatId: 'c1' })).not.toBeNull();
    expect(answers.cancelled).toEqual([]);
  });

  test('resuming ends with an error when the conversation cannot be read', async () => {
    const transport = transportOf(new Answers(), { token: 'forged' });
    await expect(transport.reconnectToStream({ chatId: 'c1' })).rejects.toMatchObject({
      code: 'unauthorized',
    });
  });
});

test('lost connections in the middle of an answer change nothing', async () => {
  const proxy = await CuttableProxy.start(server.listening.port);
  ends.push(() => proxy.close());
  const answers = new Answers();
  const transport = transportOf(answers, { url: proxy.url });
  const chat = new Chat({ id: 'c1', transport });
  const sending = chat.sendMessage({ text: 'Count' });
  await begun(answers, 1);
  const words = Array.from({ length: 30 }, (_, i) => `${i} `);
  for (const [i, word] of words.entries()) {
    if (i % 10 === 5) proxy.cut();
    await answers.token('s1', i, word);
  }
  await answers.end('s1');
  await sending;
  expect(texts(chat.messages).at(-1)).toBe(`assistant: ${words.join('')}`);
});

test('what a token could not open is tried again with another', async () => {
  let token = 'forged';
  const transport = transportOf(new Answers(), { token: () => token });
  await expect(transport.messages('c1')).rejects.toMatchObject({ code: 'unauthorized' });
  token = await server.token({ roles: ['member'] });
  expect(await transport.messages('c1')).toEqual([]);
});

describe('who follows a conversation', () => {
  test('is told what others say and that they are answered, and not what it says itself', async () => {
    const answers = new Answers();
    const transport = transportOf(answers);
    const chat = new Chat({ id: 'c1', transport });
    const told: string[] = [];
    await transport.messages('c1');
    ends.push(
      transport.follow('c1', {
        onMessage: (message) => told.push(...texts([message])),
        onAnswer: () => told.push('answer'),
      }),
    );
    const sending = chat.sendMessage({ text: 'Mine' });
    await begun(answers, 1);
    await publish('chat.message', { message_id: 'theirs', role: 'user', text: 'Theirs' });
    await answers.start('other', { session_id: 'another' });
    await answers.token('other', 0, 'For them');
    await answers.token('s1', 0, 'For me');
    await until(() => texts(chat.messages).at(-1) === 'assistant: For me', 'my answer');
    expect(told).toEqual(['user: Theirs']);
    await answers.end('s1');
    await sending;
    // One at a time: the other answer is announced when mine is read.
    await until(() => told.length === 2, 'the other answer');
    expect(told).toEqual(['user: Theirs', 'answer']);
    const resuming = chat.resumeStream();
    await answers.end('other');
    await resuming;
    expect(texts(chat.messages)).toEqual(['user: Mine', 'assistant: For me', 'assistant: For them']);
    expect(told).toHaveLength(2);
  });

  test('is told of a whole answer that came while another was read', async () => {
    const answers = new Answers();
    const transport = transportOf(answers);
    const chat = new Chat({ id: 'c1', transport });
    const told: string[] = [];
    await transport.messages('c1');
    ends.push(
      transport.follow('c1', {
        onMessage: (message) => told.push(...texts([message])),
        onAnswer: () => told.push('answer'),
      }),
    );
    const sending = chat.sendMessage({ text: 'Mine' });
    await begun(answers, 1);
    await answers.start('other');
    await answers.token('other', 0, 'Quick');
    await answers.end('other');
    await answers.end('s1');
    await sending;
    await until(() => told.length > 0, 'the other answer');
    expect(told).toEqual(['assistant: Quick']);
  });
});

test('closing ends what is read', async () => {
  const answers = new Answers();
  const transport = transportOf(answers);
  const chat = new Chat({ id: 'c1', transport });
  const sending = chat.sendMessage({ text: 'Hi' });
  await begun(answers, 1);
  await answers.token('s1', 0, 'Hel');
  await until(() => texts(chat.messages).at(-1) === 'assistant: Hel', 'the first token');
  transport.close();
  transport.close();
  await sending;
  expect(chat.status).toBe('error');
});
