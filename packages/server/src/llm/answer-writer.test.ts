import { MillraceError, type PublishResult } from '@millrace/protocol';
import { ManualClock } from '@millrace/testkit';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { EncodedInput } from '../session/publisher.ts';
import { AnswerWriter } from './answer-writer.ts';
import { TokenBeat } from './token-beat.ts';

const MAX_STALL_MS = 30_000;

/** A log that fails as it is told, and knows what it has by its keys. */
class FlakyLog {
  readonly stored = new Map<string, EncodedInput>();
  calls = 0;
  /** How many events each publication had. */
  readonly batches: number[] = [];
  /** What the next publications end with; `unknown` may be stored all the same. */
  readonly failures: (MillraceError | 'stored, but unknown' | undefined)[] = [];

  readonly publish = async (_entity: string, inputs: readonly EncodedInput[]) => {
    this.calls++;
    this.batches.push(inputs.length);
    return inputs.map((input) => this.#append(input));
  };

  get text(): string {
    return [...this.stored.values()].map(({ value }) => (value as { text?: string }).text ?? '').join('');
  }

  #append(input: EncodedInput): PublishResult | MillraceError {
    const failure = this.failures.shift();
    if (failure instanceof MillraceError) return failure;
    const key = input.idempotencyKey as string;
    const duplicate = this.stored.has(key);
    if (!duplicate) this.stored.set(key, input);
    if (failure !== undefined) return new MillraceError('unknown', 'nobody knows');
    const { size: offset } = this.stored;
    return {
      topic: input.topic,
      id: key,
      offset,
      epoch: 'e',
      timestamp: '',
      ...(duplicate && { duplicate }),
    };
  }
}

let clock: ManualClock;
let log: FlakyLog;
let beat: TokenBeat;

beforeEach(() => {
  clock = new ManualClock();
  log = new FlakyLog();
  beat = new TokenBeat({ clock, windowMs: 20, publish: log.publish });
});

function writer(streamId = 's'): AnswerWriter {
  const where = { streamId, entity: 'e', topic: 'chat.c' };
  return new AnswerWriter({ ...where, beat, clock, maxEventChars: 100, maxStallMs: MAX_STALL_MS });
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Lets time pass in steps, with what follows from it. */
async function pass(ms: number, stepMs = 5): Promise<void> {
  for (let at = 0; at < ms; at += stepMs) {
    clock.advance(stepMs);
    await turn();
  }
}

const END = { event: 'stream.end', data: (tokens: number) => ({ tokens }) } as const;
const down = new MillraceError('unavailable', 'the log cannot be reached');

describe('an answer on its way into the log', () => {
  test('[LLM-2] the first token goes out at once, those of a window together', async () => {
    const answer = writer();
    answer.write('a');
    expect(log.calls).toBe(1);
    await turn();
    for (const token of ['b', 'c', 'd']) {
      answer.write(token);
      await pass(4, 4);
    }
    expect(log.stored.size).toBe(1);
    await pass(20);
    expect([...log.stored.values()].map(({ value }) => value)).toEqual([
      { stream_id: 's', index: 0, tokens: 1, text: 'a' },
      { stream_id: 's', index: 1, tokens: 3, text: 'bcd' },
    ]);
  });

  test('[LLM-3] a repeat settles what nobody knows, in order and once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(undefined, 'stored, but unknown' as const, down), { maxLength: 20 }),
        fc.array(fc.string({ minLength: 1, maxLength: 30 }), { maxLength: 60 }),
        async (failures, tokens) => {
          log = new FlakyLog();
          beat = new TokenBeat({ clock, windowMs: 20, publish: log.publish });
          log.failures.push(...failures);
          const answer = writer();
          for (const [i, token] of tokens.entries()) {
            answer.write(token);
            if (i % 7 === 3) await pass(30, 10);
          }
          let ended = false;
          const end = answer.end(END).then(() => {
            ended = true;
          });
          while (!ended) await pass(2000, 500);
          await end;
          expect(log.text).toBe(tokens.join(''));
          expect([...log.stored.keys()].at(-1)).toBe('llm/s/end');
        },
      ),
      { numRuns: 60 },
    );
  });

  test('[LLM-3] a log that takes nothing for too long is given up, but its end is not', async () => {
    const answer = writer();
    log.failures.push(...Array.from({ length: 30 }, () => down));
    answer.write('lost');
    await pass(MAX_STALL_MS + 4000, 500);
    await expect(answer.room()).rejects.toThrow('cannot be reached');
    const end = answer.end(END);
    await pass(60_000, 1000);
    await end;
    expect([...log.stored.values()].map(({ value }) => value)).toEqual([{ tokens: 0 }]);
  });

  test('a log that refuses for good is given up at once', async () => {
    const answer = writer();
    log.failures.push(new MillraceError('sealed', 'no more'), new MillraceError('sealed', 'no more'));
    answer.write('lost');
    await turn();
    await expect(answer.room()).rejects.toThrow('no more');
    await expect(answer.end(END)).rejects.toThrow('no more');
  });

  test('[LLM-3] while too much waits there is no room; what is stored makes some', async () => {
    const answer = writer();
    log.failures.push(down);
    expect(answer.room()).toBeUndefined();
    for (let i = 0; i < 3000; i++) answer.write('x'.repeat(100));
    let roomy = false;
    void answer.room()?.then(() => {
      roomy = true;
    });
    await turn();
    expect(roomy).toBe(false);
    for (let i = 0; i < 2000 && !roomy; i++) await pass(20, 20);
    expect(roomy).toBe(true);
    expect(log.text.length).toBeGreaterThan(100_000);
  });
});

describe('the beat', () => {
  test('answers share publications, and take turns in a window', async () => {
    const answers = Array.from({ length: 40 }, (_, i) => writer(`s-${i}`));
    for (const answer of answers) answer.write('first ');
    await turn();
    log.calls = 0;
    for (let ms = 0; ms < 200; ms += 5) {
      for (const [i, answer] of answers.entries()) if (ms % 10 === (i % 2) * 5) answer.write('more ');
      await pass(5);
    }
    // Forty beats in 200 ms, each publishing those whose window is over.
    expect(log.calls).toBeLessThanOrEqual(41);
    expect(log.stored.size).toBeGreaterThan(40 * 8);
    expect(log.stored.size).toBeLessThanOrEqual(40 * 11);
    // Although all began together, no beat has much more than its share.
    expect(Math.max(...log.batches.slice(-20))).toBeLessThanOrEqual(15);
  });

  test('publishes nothing after it was closed', async () => {
    const answer = writer();
    answer.write('a');
    await turn();
    answer.write('b');
    beat.close();
    await pass(100);
    answer.write('c');
    await pass(100);
    expect(log.text).toBe('a');
  });
});
