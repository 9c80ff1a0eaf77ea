import type { Cursor, Position } from '@millrace/protocol';
import type {
  AppendRequest,
  AppendResult,
  Engine,
  FollowListener,
  HoldOf,
  ReadSinceFrom,
  ReadSinceResult,
  Retention,
  StoredEvent,
} from '@millrace/server';
import { describe, test } from 'vitest';
import type { ManualClock } from '../manual-clock.ts';
import { until } from '../until.ts';

export interface HarnessOptions {
  /** Everything is kept when missing. */
  readonly retention?: (topic: string) => Retention;
  readonly holdOf?: HoldOf | undefined;
  readonly forgetAfterMs?: number;
}

/** An engine under test, and what surrounds it. Sweeps run at least once in 200 ms of the clock, unless appends trim. */
export interface EngineHarness {
  readonly engine: Engine;
  readonly clock: ManualClock;
  /** The engine's notifications pass through it. */
  readonly bus: {
    mode: 'pass' | 'drop' | 'hold';
    readonly held: number;
    release(order?: readonly number[]): void;
  };
  /** What the engine's `onError` was given. */
  readonly errors: readonly unknown[];
  /** Makes the next commit fail with this outcome. Where it is `unknown`, nothing must have been stored. */
  failNextCommit?(outcome: 'storage-full' | 'unknown'): void;
  /** Closes the engine and opens another over what it stored: `engine` is the new one then. */
  reopen?(): Promise<void>;
  close(): Promise<void>;
}

/** What each part of the contract's suite works with. */
export interface ContractSuite {
  /** The harness of the running case, opened without options. */
  harness(): EngineHarness;
  /** One more, closed after the case. */
  open(options: HarnessOptions): Promise<EngineHarness>;
  readonly failsCommits: boolean;
  readonly reopens: boolean;
}

/** Registers a case only for engines that can do what it takes: the others have nothing to skip. */
export function testIf(able: boolean): (title: string, run: () => Promise<void>) => void {
  return able ? test : () => {};
}

export function describeIf(able: boolean): (title: string, register: () => void) => void {
  return able ? describe : () => {};
}

export type Stored = Extract<AppendResult, { status: 'stored' }>;

export const ENTITY = 'acme';
export const ALL = { maxEvents: 100_000 } as const;

export function request(topic: string, more: Partial<AppendRequest> = {}): AppendRequest {
  return { entity: ENTITY, topic, event: 'happened', data: '{"n":1}', ...more };
}

/** Appends one event and answers with the result, whatever it is. */
export async function append(
  engine: Engine,
  topic: string,
  more: Partial<AppendRequest> = {},
): Promise<AppendResult> {
  const [result] = await engine.append([request(topic, more)]);
  if (result === undefined) throw new Error('append gave no result');
  return result;
}

/** Appends one event that must be stored. */
export async function store(
  engine: Engine,
  topic: string,
  more: Partial<AppendRequest> = {},
): Promise<Stored> {
  return asStored(await append(engine, topic, more));
}

/** Appends events with the numbers `from` to `to` as their data. */
export async function storeRange(engine: Engine, topic: string, from: number, to: number): Promise<Stored[]> {
  const requests: AppendRequest[] = [];
  for (let n = from; n <= to; n++) requests.push(request(topic, { data: String(n) }));
  return (await engine.append(requests)).map(asStored);
}

export function asStored(result: AppendResult | undefined): Stored {
  if (result?.status !== 'stored') throw new Error(`expected a stored event, got ${JSON.stringify(result)}`);
  return result;
}

/** Gives the engine time to notice that a topic holds too much (but the feed none to compare heads), and waits. */
export async function untilTrimmed(
  harness: EngineHarness,
  topic: string,
  firstOffset: number,
): Promise<void> {
  harness.clock.advance(200);
  await until(
    async () => (await harness.engine.head(ENTITY, topic))?.firstOffset === firstOffset,
    `${topic} to begin at ${firstOffset}`,
  );
}

/** All data of one topic that is kept. */
export async function dataOf(engine: Engine, topic: string, entity: string = ENTITY): Promise<string[]> {
  const result = await engine.read(entity, topic, { earliest: true }, ALL);
  if (!result.ok) throw new Error(`reading ${topic} from its start failed: ${result.reason}`);
  return result.events.map((event) => event.data);
}

/** A topic's head, also of one that does not exist. */
export async function positionOf(engine: Engine, topic: string): Promise<Position> {
  return (await engine.read(ENTITY, topic, { earliest: true }, { maxEvents: 1 })).head;
}

export async function readAfter(
  engine: Engine,
  topic: string,
  after: Position,
): Promise<readonly string[] | string> {
  const result = await engine.read(ENTITY, topic, { after }, ALL);
  return result.ok ? result.events.map((event) => event.data) : result.reason;
}

/** The data after a cursor, or the reason why it is not known. */
export async function since(
  engine: Engine,
  patterns: readonly string[],
  from: ReadSinceFrom,
): Promise<readonly string[] | string> {
  return dataOrReason(await engine.readSince(ENTITY, patterns, from, ALL));
}

export function dataOrReason(result: ReadSinceResult): readonly string[] | string {
  return result.ok ? result.events.map((event) => event.data) : result.reason;
}

/** The cursor with each engine's part changed. */
export function mapCursor(
  cursor: Cursor,
  change: (part: NonNullable<Cursor['live']>) => NonNullable<Cursor['live']>,
): Cursor {
  const changed: { -readonly [K in keyof Cursor]: Cursor[K] } = {};
  if (cursor.live !== undefined) changed.live = change(cursor.live);
  if (cursor.durable !== undefined) changed.durable = change(cursor.durable);
  return changed;
}

/** A follower that notes what it is told. */
export class Recorder implements FollowListener {
  readonly events: StoredEvent[] = [];
  readonly gaps: { reason: string; head: Cursor }[] = [];

  onEvents(events: readonly StoredEvent[]): void {
    this.events.push(...events);
  }

  onGap(reason: string, head: Cursor): void {
    this.gaps.push({ reason, head });
  }

  get data(): string[] {
    return this.events.map((event) => event.data);
  }

  async untilCount(count: number): Promise<void> {
    await until(() => this.events.length >= count, `${count} delivered events`);
  }

  async untilData(data: string): Promise<void> {
    await until(() => this.events.some((event) => event.data === data), `the delivery of ${data}`);
  }
}
