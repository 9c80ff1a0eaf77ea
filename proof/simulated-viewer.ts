import { eventFamily, type View } from '@millrace/catalog';
import type { Client, Snapshot, Subscription } from '@millrace/client';
import { type MillraceEvent, matchesPattern, parsePosition } from '@millrace/protocol';
import type { History, Moment } from './history.ts';

/** How many events there were, and the offset of the last: a state that shows whether one was left out or came twice. */
interface Tally {
  readonly count: number;
  readonly last: number;
}

const tallyView: View<Tally> = {
  name: 'tally',
  version: 1,
  holdsLog: false,
  initial: () => ({ count: 0, last: 0 }),
  fold: ({ count }, { offset }) => ({ count: count + 1, last: offset }),
};

/** The topics of the simulation have a view of their own. */
export const tallyFamily = eventFamily({
  name: 'tally',
  description: 'What is counted in the simulation.',
  topics: ['d.*', 'l.*'],
  events: [],
  view: tallyView,
});

/** The history has nothing of what is still to come. */
const NOW: Moment = { tick: Infinity, atMs: Infinity };

interface Place extends Tally {
  readonly epoch: string;
}

/** An application that keeps the state of a topic, or of all topics of a pattern, current with the SDK. */
export class SimulatedViewer {
  readonly name: string;
  readonly subscription: Subscription;
  readonly problems: string[] = [];
  readonly #history: History;
  /** Whether the log keeps everything, so that each state is of all events there were. */
  readonly #keepsAll: boolean;
  readonly #states = new Map<string, Place>();

  constructor(options: { client: Client; name: string; history: History; keepsAll: boolean }) {
    const { client, name, history, keepsAll } = options;
    this.name = name;
    this.#history = history;
    this.#keepsAll = keepsAll;
    this.subscription = client.topic(name, { since: 'snapshot', slow: 'catchup' });
    this.subscription.on('snapshot', (snapshot) => this.#begin(snapshot));
    this.subscription.on('event', (event) => this.#fold(event));
    this.subscription.on('gap', (gap) => this.#problem(`was told a gap: ${JSON.stringify(gap)}`));
    this.subscription.on('error', (error) => this.#problem(`failed: ${String(error)}`));
  }

  /** What is wrong, when everything has happened. */
  verdict(): string[] {
    if (this.subscription.closed) return this.problems;
    const late = this.#history.topics.flatMap((topic) => {
      const last = this.#history.of(topic).at(-1);
      if (last === undefined || !this.#counts(topic)) return [];
      // Of a topic that is gone nobody is told before it is written anew.
      const gone = this.#history.breaks.some(
        (each) =>
          each.tick >= last.tick &&
          (each.topic === undefined ? each.slot === last.slot : each.topic === topic),
      );
      const state = this.#states.get(topic);
      if (gone || (state?.epoch === last.epoch && state.last === last.offset)) return [];
      const stands = state === undefined ? 'nowhere' : `at ${state.epoch}:${state.last}`;
      return [`viewer of ${this.name}: of ${topic} it stands ${stands}, not at ${last.epoch}:${last.offset}`];
    });
    return [...this.problems, ...late];
  }

  #counts(topic: string): boolean {
    return matchesPattern(this.name, topic) && tallyFamily.topics.some((each) => matchesPattern(each, topic));
  }

  #begin({ topic, position, state }: Snapshot): void {
    if (!this.#counts(topic)) return;
    const { epoch = '', offset = 0 } = parsePosition(position) ?? {};
    // The view of these topics.
    const { count, last } = state as Tally;
    const told = `${topic} is told at ${position} as ${JSON.stringify(state)}`;
    // Where retention has taken everything the state is that of no events.
    if (last !== offset && (this.#keepsAll || count > 0)) this.#problem(told);
    if (this.#keepsAll && count !== offset) this.#problem(told);
    this.#states.set(topic, { epoch, count, last: offset });
  }

  #fold(event: MillraceEvent): void {
    const { topic, epoch, offset } = event;
    if (!this.#counts(topic)) return;
    const before = this.#states.get(topic);
    const known = before?.epoch === epoch ? before : { epoch, ...tallyView.initial() };
    if (offset !== known.last + 1 && !(before === undefined && this.#isOver(event))) {
      this.#problem(`of ${topic}, ${epoch}:${offset} came after ${before?.epoch}:${before?.last}`);
    }
    this.#states.set(topic, { epoch, ...tallyView.fold(known, event) });
  }

  /**
   * Whether the life of the topic that an event is of has ended by now. A snapshot of a topic that is deleted meanwhile has
   * nothing of it, and live delivery may still have the last events of that life to give; the epoch of the next says so.
   */
  #isOver({ topic, epoch, offset }: MillraceEvent): boolean {
    const event = this.#history.of(topic).find((each) => each.epoch === epoch && each.offset === offset);
    return event !== undefined && this.#history.isGone(event, NOW, {});
  }

  #problem(problem: string): void {
    this.problems.push(`viewer of ${this.name}: ${problem}`);
  }
}
