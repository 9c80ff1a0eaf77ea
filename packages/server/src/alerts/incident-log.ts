import { MillraceError } from '@millrace/protocol';
import { SYSTEM_ENTITY } from '../auth/identity.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Engine } from '../engine/engine.ts';
import type { EncodedInput, Publisher } from '../session/publisher.ts';
import {
  ALERT_EVENT,
  ALERTS_TOPIC,
  type AlertChange,
  type Incident,
  isOver,
  type SystemAlert,
} from './incident.ts';
import { type IncidentRecord, isNewer, readRecord, recordOf } from './incident-record.ts';

/** In the system entity. Its namespace is the server's own: it keeps everything until it is rewritten here. */
const STATE_TOPIC = 'alert-state.incidents';
const STATE_EVENT = 'incident';

const PAGE = { maxEvents: 1000 } as const;
/** Records that are no longer needed, before the topic is rewritten. */
const MAX_STALE = 1000;
const RETRY_MS = { first: 500, most: 30_000 } as const;

export interface IncidentLogOptions {
  readonly engine: Engine;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly onError: (error: unknown, doing: string) => void;
}

/** What is said of an incident with a change. */
export type ChangedFields = Partial<Omit<SystemAlert, 'alert_id' | 'revision' | 'change'>>;

interface Open extends Incident {
  alert: SystemAlert;
  /** Whether its newest change has been. */
  announced: boolean;
  /** Changes are made one after the other. */
  changing: Promise<void>;
}

/** The server is shutting down: what is not stored yet is not. */
class Closed extends Error {}

/**
 * The incidents that are under way, kept in the log. A change is stored first, then announced on `system.alerts`, then noted
 * as announced; whatever a crash cuts off, the next start goes on with it, and the key of each announcement makes two one.
 * What the log does not take is tried again until it does.
 */
export class IncidentLog {
  readonly #options: IncidentLogOptions;
  readonly #open: Map<string, Open> = new Map();
  readonly #waiting: Set<{ timer: Timer; giveUp: () => void }> = new Set();
  #stale = 0;
  #tidying: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: IncidentLogOptions) {
    this.#options = options;
  }

  /** Resolves when everything that was under way is known again; what was not announced is, as soon as the log takes it. */
  async start(): Promise<void> {
    const records = await this.#readAll();
    for (const { entity, group, alert, announced } of records.values()) {
      if (isOver(alert) && announced) continue;
      const open: Open = { entity, group, alert, announced, changing: Promise.resolve() };
      this.#open.set(alert.alert_id, open);
      if (!announced) {
        this.#inTurn(open, () => this.#announce(open)).catch((error: unknown) => {
          if (!(error instanceof Closed)) this.#options.onError(error, 'announcing an alert');
        });
      }
    }
    await this.#tidy();
  }

  /** All that are under way, or those of one entity. */
  incidents(entity?: string): readonly Incident[] {
    const all = [...this.#open.values()];
    return entity === undefined ? all : all.filter((each) => each.entity === entity);
  }

  /** Begins an incident. Resolves when it is stored and announced; rejects when the server closes before. */
  async begin(
    entity: string,
    group: string | undefined,
    alert: Omit<SystemAlert, 'change' | 'revision'>,
  ): Promise<Incident> {
    const open: Open = {
      entity,
      group,
      alert: { ...alert, change: 'fired', revision: 1 },
      announced: false,
      changing: Promise.resolve(),
    };
    this.#open.set(alert.alert_id, open);
    await this.#inTurn(open, () => this.#record(open));
    return open;
  }

  /**
   * Changes an incident, after the changes before. `fields` says how, looking at it as it is then, or nothing when there is nothing to
   * change any more. Resolves when it is stored and announced, with whether there was.
   */
  async change(
    incident: Incident,
    change: AlertChange,
    fields: (alert: SystemAlert) => ChangedFields | undefined,
  ): Promise<boolean> {
    const open = this.#open.get(incident.alert.alert_id);
    if (open === undefined) return false;
    let changed = false;
    await this.#inTurn(open, async () => {
      const changes = fields(open.alert);
      if (changes === undefined) return;
      changed = true;
      open.alert = { ...open.alert, ...changes, change, revision: open.alert.revision + 1 };
      open.announced = false;
      await this.#record(open);
    });
    return changed;
  }

  /** Gives up what the log does not take. Resolves when nothing is under way. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { timer, giveUp } of this.#waiting) {
      timer.cancel();
      giveUp();
    }
    await Promise.all([...this.#open.values()].map(({ changing }) => changing.catch(() => {})));
    await this.#tidying;
  }

  #inTurn(open: Open, work: () => Promise<void>): Promise<void> {
    const turn = open.changing.catch(() => {}).then(work);
    open.changing = turn;
    // Whoever asked hears of it.
    turn.catch(() => {});
    return turn;
  }

  async #record(open: Open): Promise<void> {
    await this.#untilStored(SYSTEM_ENTITY, stateInput(open));
    await this.#announce(open);
  }

  async #announce(open: Open): Promise<void> {
    const { alert } = open;
    try {
      await this.#untilStored(open.entity, {
        topic: ALERTS_TOPIC,
        event: ALERT_EVENT,
        data: JSON.stringify(alert),
        source: 'millrace',
        key: alert.alert_id,
        ...(alert.severity === 'critical' && { priority: 'critical' as const }),
        idempotencyKey: `${alert.alert_id}/${alert.revision}`,
      });
    } catch (error) {
      if (error instanceof Closed) throw error;
      // It will never be taken; the state of the incident does not depend on it.
      this.#options.onError(error, `announcing the alert ${alert.alert_id}`);
    }
    open.announced = true;
    await this.#untilStored(SYSTEM_ENTITY, stateInput(open));
    this.#forgetOver();
    this.#stale += 2;
    if (this.#stale >= MAX_STALE) this.#tidying = this.#tidying.then(() => this.#tidy());
  }

  #forgetOver(): void {
    for (const [id, { alert, announced }] of this.#open) {
      if (announced && isOver(alert)) this.#open.delete(id);
    }
  }

  /** Rejects with what the log says of an event that it will never take, or when the server closes. */
  async #untilStored(entity: string, input: EncodedInput): Promise<void> {
    let delayMs: number = RETRY_MS.first;
    for (;;) {
      const [outcome] = await this.#options.publisher.publishInternally(entity, [input]);
      if (!(outcome instanceof MillraceError)) return;
      if (!outcome.retryable) throw outcome;
      if (delayMs === RETRY_MS.first) this.#options.onError(outcome, 'storing an alert');
      await this.#wait(delayMs);
      delayMs = Math.min(delayMs * 2, RETRY_MS.most);
    }
  }

  #wait(delayMs: number): Promise<void> {
    if (this.#closed) return Promise.reject(new Closed());
    return new Promise((resolve, reject) => {
      const done = (then: () => void) => () => {
        this.#waiting.delete(waiting);
        then();
      };
      const timer = this.#options.clock.after(delayMs, done(resolve));
      const waiting = { timer, giveUp: done(() => reject(new Closed())) };
      this.#waiting.add(waiting);
    });
  }

  async #readAll(): Promise<Map<string, IncidentRecord>> {
    const { engine, onError } = this.#options;
    const newest = new Map<string, IncidentRecord>();
    let page = await engine.read(SYSTEM_ENTITY, STATE_TOPIC, { earliest: true }, PAGE);
    for (;;) {
      if (!page.ok) throw new Error(`${STATE_TOPIC} cannot be read: ${page.reason}`);
      this.#stale += page.events.length;
      for (const { id, data } of page.events) {
        const record = readRecord(data);
        if (record === undefined) {
          onError(new Error(`the record ${id} is of a newer version`), 'reading alerts');
        } else if (isNewer(record, newest.get(record.alert.alert_id))) {
          newest.set(record.alert.alert_id, record);
        }
      }
      if (page.behind === 0) return newest;
      page = await engine.read(SYSTEM_ENTITY, STATE_TOPIC, { after: page.position }, PAGE);
    }
  }

  /** Writes what is under way once more, and removes everything before. Cut off in between, it is all there twice. */
  async #tidy(): Promise<void> {
    if (this.#stale < MAX_STALE) return;
    const { engine, publisher, onError } = this.#options;
    this.#stale = 0;
    try {
      const head = await engine.head(SYSTEM_ENTITY, STATE_TOPIC);
      if (head === undefined) return;
      // A change under way is written, or about to be, behind the head.
      const kept = await publisher.publishInternally(
        SYSTEM_ENTITY,
        [...this.#open.values()].map((each) => stateInput(each, `/kept/${head.position.offset}`)),
      );
      const problem = kept.find((outcome) => outcome instanceof MillraceError);
      if (problem !== undefined) throw problem;
      await engine.trim(SYSTEM_ENTITY, STATE_TOPIC, head.position.offset);
    } catch (error) {
      onError(error, 'tidying the record of alerts');
    }
  }
}

function stateInput(open: Open, mark = ''): EncodedInput {
  const { alert, announced } = open;
  return {
    topic: STATE_TOPIC,
    event: STATE_EVENT,
    data: JSON.stringify(recordOf(open, announced)),
    key: alert.alert_id,
    idempotencyKey: `${alert.alert_id}/${alert.revision}/${announced}${mark}`,
  };
}
