import { formatPosition, type ServerMessage } from '@millrace/protocol';
import type { LogModel, ModelEvent } from './log-model.ts';
import type { WireClient } from './wire-client.ts';

/** How often an event is delivered before it is given up. */
const MAX_ATTEMPTS = 4;

/** How far a consumer has come, as it may be known from outside. */
export class ConsumerModel {
  readonly topic: string;
  readonly name: string;
  acked = 0;
  /** By offset, when some device was sent it. */
  readonly #deliveries = new Map<number, Set<number>>();
  #epoch = '';

  constructor(topic: string, name: string) {
    this.topic = topic;
    this.name = name;
  }

  /** What is to be handled still, in order. */
  alive(model: LogModel): ModelEvent[] {
    this.follow(model);
    return model.kept(this.topic).filter(({ offset }) => offset > this.acked);
  }

  /** A topic that was deleted took its consumers with it. */
  follow(model: LogModel): void {
    const [epoch = ''] = model.head(this.topic).split(':');
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.acked = 0;
    this.#deliveries.clear();
  }

  delivered(offset: number, atMs: number): void {
    const times = this.#deliveries.get(offset) ?? new Set();
    this.#deliveries.set(offset, times.add(atMs));
  }

  deliveries(offset: number): number {
    return this.#deliveries.get(offset)?.size ?? 0;
  }

  /** A dead letter was written; what is wrong with that. */
  buried({ epoch, offset, reason }: { epoch: string; offset: number; reason: string }): string[] {
    if (epoch !== this.#epoch) return [];
    const problems: string[] = [];
    const times = this.deliveries(offset);
    if (offset <= this.acked) problems.push(`${offset} was acknowledged, and became a dead letter`);
    if (reason !== 'failed') problems.push(`${offset} became a dead letter as ${reason}`);
    if (times < MAX_ATTEMPTS) problems.push(`${offset} was given up after ${times} deliveries`);
    this.acked = Math.max(this.acked, offset);
    return problems.map((problem) => `${this.name} of ${this.topic}: ${problem}`);
  }
}

/** A client that reads a topic as a consumer, and what it must be told. */
export class ModelDevice {
  readonly consumer: ConsumerModel;
  wire: WireClient;
  readonly problems: string[] = [];
  /** Events that must come for the first time to this session. */
  #due: ModelEvent[] = [];
  /** What may come as the replay of the subscription that is being opened. */
  #replays: readonly (readonly ModelEvent[])[] = [];
  /** The offset at which this session stands: everything up to it was sent, or is gone. */
  #reach = 0;
  #subscribed = false;
  #answers: { readonly id: string; readonly expected: readonly string[] }[] = [];

  constructor(consumer: ConsumerModel, wire: WireClient) {
    this.consumer = consumer;
    this.wire = wire;
  }

  get subscribed(): boolean {
    return this.#subscribed;
  }

  subscribe(model: LogModel): void {
    const { topic, name } = this.consumer;
    // What it was sent before comes again, unless it was acknowledged. What was sent often enough may be given up before;
    // and of what retention took, memory may hold some still.
    this.consumer.follow(model);
    const { acked } = this.consumer;
    const whole = model.life(topic).filter(({ offset }) => offset > acked);
    const mustCome = whole.findIndex(
      ({ trimmed, offset }) => !trimmed && this.consumer.deliveries(offset) < MAX_ATTEMPTS,
    );
    const most = mustCome === -1 ? whole.length : mustCome;
    this.#replays = Array.from({ length: most + 1 }, (_, i) => whole.slice(i));
    this.#due = [];
    this.#subscribed = true;
    const id = this.wire.send({ type: 'subscribe', topic, consumer: name, since: 'earliest' });
    this.#reach = model.offset(topic);
    this.#answers.push({
      id,
      expected: this.#replays.map(({ length }) => `subscribed ${model.head(topic)} ${length}`),
    });
  }

  unsubscribe(): void {
    const id = this.wire.send({ type: 'unsubscribe', topic: this.consumer.topic });
    this.#answers.push({ id, expected: [this.#subscribed ? 'unsubscribed' : 'error not-subscribed'] });
    this.#leave();
  }

  /** Its connection is gone, and another one there. */
  reconnect(wire: WireClient): void {
    this.wire = wire;
    this.#answers = [];
    this.#reach = 0;
    this.#leave();
  }

  owe(event: ModelEvent): void {
    if (this.#subscribed && event.topic === this.consumer.topic) this.#due.push(event);
  }

  /** Acknowledges what it was sent but the last few, or more than that. */
  acknowledge(model: LogModel, behind: number, ahead: boolean): void {
    const { consumer } = this;
    const { topic, name } = consumer;
    const offset = ahead ? this.#reach + 1 : Math.max(1, this.#reach - behind);
    const id = this.wire.send({ type: 'ack', topic, consumer: name, offset });
    let expected = ['error ack-ahead'];
    if (!this.#subscribed) expected = ['error not-subscribed'];
    else if (offset <= this.#reach) {
      consumer.acked = Math.max(consumer.acked, offset);
      // It may have passed by some of what retention took.
      const passed = Math.max(0, model.trimmedUpTo(topic) - consumer.acked);
      expected = Array.from({ length: passed + 1 }, (_, i) => `ok ${consumer.acked + i}`);
    }
    this.#answers.push({ id, expected });
  }

  /** The topic was deleted: what it was sent is of another log. */
  forget(): void {
    this.#reach = 0;
    this.#due = this.#due.filter(({ deleted }) => !deleted);
  }

  look(atMs: number): void {
    for (const message of this.wire.take()) this.#hear(message, atMs);
    const [missing] = this.#due;
    if (missing !== undefined) this.#blame(`${formatPosition(missing)} never came`);
    this.#due = [];
    if (this.#answers.length > 0) this.#blame(`no answer said: ${this.#answers[0]?.expected}`);
    this.#answers = [];
  }

  #hear(message: ServerMessage, atMs: number): void {
    switch (message.type) {
      case 'event':
        this.#hearEvent(message, atMs);
        break;
      case 'subscribed':
        this.#answered(message.id, `subscribed ${message.position} ${message.replayed}`);
        this.#due.unshift(...(this.#replays.find(({ length }) => length === message.replayed) ?? []));
        break;
      case 'unsubscribed':
        this.#answered(message.id, 'unsubscribed');
        break;
      case 'error':
        this.#answered(message.id, `error ${message.code}`);
        break;
      case 'ok':
        this.#answered(message.id, `ok ${(message.result as { acked: number }).acked}`);
        break;
      default:
    }
  }

  #hearEvent({ epoch, offset, attempt }: ServerMessage & { type: 'event' }, atMs: number): void {
    const place = `${epoch}:${offset}`;
    const { consumer } = this;
    if (attempt === undefined) {
      const due = this.#due.shift();
      if (due === undefined || formatPosition(due) !== place)
        this.#blame(`${place} came, unasked or out of order`);
    } else {
      if (offset <= consumer.acked) this.#blame(`${place} was acknowledged, and came again`);
      if (attempt < 2 || attempt > MAX_ATTEMPTS) this.#blame(`${place} came for the ${attempt}th time`);
      if (consumer.deliveries(offset) < attempt - 1)
        this.#blame(`attempt ${attempt} of ${place} came too early`);
    }
    this.#reach = Math.max(this.#reach, offset);
    consumer.delivered(offset, atMs);
  }

  #answered(id: unknown, actual: string): void {
    const index = this.#answers.findIndex((answer) => answer.id === id);
    const [answer] = index === -1 ? [] : this.#answers.splice(index, 1);
    if (answer?.expected.includes(actual)) return;
    this.#blame(`should have been answered ${answer?.expected}, and was ${actual}`);
  }

  #leave(): void {
    this.#subscribed = false;
    this.#due = [];
  }

  #blame(what: string): void {
    this.problems.push(`${this.consumer.name} of ${this.consumer.topic}: ${what}`);
  }
}
