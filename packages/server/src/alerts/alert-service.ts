import { MillraceError } from '@millrace/protocol';
import type { Clock, Timer } from '../clock.ts';
import type { Engine, Following } from '../engine/engine.ts';
import { ChosenEntities } from '../services/chosen-entities.ts';
import type { Publisher } from '../session/publisher.ts';
import { type AlertRule, figureNameOf } from './alert-rule.ts';
import { advance, isIncident } from './alert-state.ts';
import { type HeardValue, watchEvents } from './event-watcher.ts';
import type { Incident, ResolveReason, SystemAlert } from './incident.ts';
import { IncidentLog } from './incident-log.ts';
import type { FigureReader } from './own-figures.ts';
import { Remediator } from './remediator.ts';
import { thresholdOf, zoneOf } from './thresholds.ts';
import { type WatchedThing, WatchedThings } from './watched-things.ts';

/** How often time alone is looked at, and the server's own figures, in ms. */
const TICK_MS = 1_000;

export interface AlertServiceOptions {
  readonly rules: readonly AlertRule[];
  /** By the rules that watch one of the server's own figures. */
  readonly figures: ReadonlyMap<AlertRule, FigureReader>;
  readonly engine: Engine;
  readonly publisher: Publisher;
  readonly clock: Clock;
  /** What `entity: "*"` finds at most. */
  readonly maxEntities: number;
  /** The end of an incident's id, different each time. */
  readonly newId: () => string;
  readonly onError: (error: unknown, doing: string) => void;
}

/**
 * Watches figures by rules, and says on `system.alerts` when one is wrong and when it is right again. Each incident is
 * announced once and remedied once, also when the server is killed in between.
 */
export class AlertService {
  readonly counters: { fired: number; resolved: number; valuesRefused: number } = {
    fired: 0,
    resolved: 0,
    valuesRefused: 0,
  };
  readonly remediator: Remediator;
  readonly #options: AlertServiceOptions;
  readonly #log: IncidentLog;
  readonly #entities: ChosenEntities;
  readonly #things: Map<string, WatchedThings> = new Map();
  readonly #followings: Following[] = [];
  /** Rules whose figure could not be read the last time. */
  readonly #unread: Set<AlertRule> = new Set();
  #timer: Timer | undefined;
  #reading = false;
  #closed = false;

  constructor(options: AlertServiceOptions) {
    this.#options = options;
    const { engine, clock, rules, maxEntities, onError } = options;
    this.#log = new IncidentLog(options);
    this.remediator = new Remediator({ log: this.#log, clock, onError });
    this.#entities = new ChosenEntities({
      engine,
      clock,
      chosen: rules.map(({ entity }) => entity),
      max: maxEntities,
      onEntity: (entity) => this.#watch(entity),
      onError,
    });
  }

  /**
   * Resolves when what was under way is known again, and every rule is watching. It does not wait for what is to be stored: a
   * log that is full must not keep the server from its readers.
   */
  async start(): Promise<void> {
    await this.#log.start();
    for (const incident of this.#log.incidents()) {
      this.#takeUp(incident).catch((error: unknown) => {
        if (!this.#closed) this.#options.onError(error, `taking up the alert ${incident.alert.alert_id}`);
      });
    }
    await this.#entities.start();
    this.#tickLater();
  }

  /** Alerts of an entity that are firing, oldest first. */
  active(entity?: string): readonly SystemAlert[] {
    return this.#log.incidents(entity).flatMap(({ alert }) => (alert.state === 'firing' ? [alert] : []));
  }

  /**
   * Notes that somebody knows of an alert; a second time changes nothing. Resolves when it is stored and announced, with the alert as
   * it is then. Rejects with a `MillraceError` (`not-found`) when there is no such alert.
   */
  async acknowledge(entity: string, alertId: string, userId: string): Promise<SystemAlert> {
    const incident = this.#log.incidents(entity).find(({ alert }) => alert.alert_id === alertId);
    if (incident?.alert.state !== 'firing') {
      throw new MillraceError('not-found', `there is no alert ${JSON.stringify(alertId)} that is firing`);
    }
    await this.#log.change(incident, 'acknowledged', ({ acknowledged_at }) =>
      acknowledged_at === undefined
        ? { acknowledged_at: this.#isoNow(), acknowledged_by: userId }
        : undefined,
    );
    return incident.alert;
  }

  /** Lets remediations that are under way be ended and recorded. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#entities.close();
    for (const following of this.#followings) following.stop();
    await this.remediator.close();
    await this.#log.close();
  }

  async #watch(entity: string): Promise<void> {
    const rules = this.#options.rules.filter((rule) => watches(rule, entity));
    const nowMs = this.#options.clock.monotonic();
    for (const rule of rules) {
      const { watch } = rule;
      // Something that was never heard of can be missing where it is known that there is one.
      if (watch.kind === 'figure' || watch.group === undefined)
        this.#thingsOf(rule, entity).of(undefined, nowMs);
    }
    const followings = await watchEvents(this.#options.engine, entity, rules, (rule, heard) =>
      this.#hear(this.#thingsOf(rule, entity), heard),
    );
    if (this.#closed) for (const following of followings) following.stop();
    else this.#followings.push(...followings);
  }

  #thingsOf(rule: AlertRule, entity: string): WatchedThings {
    const id = `${rule.name}\n${entity}`;
    let things = this.#things.get(id);
    if (things === undefined) {
      things = new WatchedThings(rule, entity);
      this.#things.set(id, things);
    }
    return things;
  }

  /** Goes on with an incident of an earlier life of the server; it is watched from the moment that this is called. */
  async #takeUp(incident: Incident): Promise<void> {
    const rule = this.#options.rules.find(({ name }) => name === incident.alert.source);
    const isWatched = incident.alert.state !== 'firing' || this.#restore(incident, rule);
    if (incident.alert.auto_remediation_status === 'running') await this.remediator.giveUp(incident);
    if (!isWatched) await this.#end(incident, 'rule-removed');
    if (incident.alert.auto_remediation_status !== 'pending') return;
    if (rule?.remediation === undefined) await this.remediator.skip(incident);
    else this.remediator.attend(incident, rule.remediation);
  }

  /** Whether a rule still watches what it is about. */
  #restore(incident: Incident, rule: AlertRule | undefined): boolean {
    const { entity, group } = incident;
    if (rule === undefined || !watches(rule, entity) || hasGroups(rule) !== (group !== undefined))
      return false;
    const nowMs = this.#options.clock.monotonic();
    return this.#thingsOf(rule, entity).restore(incident, nowMs);
  }

  #tickLater(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.after(TICK_MS, () => {
      this.#tickLater();
      void this.#readFigures();
      const nowMs = this.#options.clock.monotonic();
      for (const things of this.#things.values()) for (const thing of things.all()) this.#step(thing, nowMs);
    });
  }

  async #readFigures(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    for (const [rule, read] of this.#options.figures) {
      try {
        const value = await read();
        if (value === undefined || !Number.isFinite(value)) continue;
        this.#hear(this.#thingsOf(rule, rule.entity), { group: undefined, value, topic: undefined });
        this.#unread.delete(rule);
      } catch (error) {
        if (!this.#unread.has(rule)) this.#options.onError(error, `reading ${figureNameOf(rule)}`);
        this.#unread.add(rule);
      }
    }
    this.#reading = false;
  }

  #hear(things: WatchedThings, { group, value, topic }: HeardValue): void {
    if (this.#closed) return;
    const nowMs = this.#options.clock.monotonic();
    const thing = things.of(group, nowMs);
    if (thing === undefined) {
      this.#refuse(things);
      return;
    }
    // Until now the last value stood.
    this.#step(thing, nowMs);
    thing.value = value;
    thing.topic = topic;
    thing.zone = zoneOf(thing.rule, value);
    thing.heardAtMs = nowMs;
    this.#step(thing, nowMs);
  }

  /** A rule watches as many groups as it may: reported once, counted always. */
  #refuse(things: WatchedThings): void {
    this.counters.valuesRefused++;
    if (things.refused) return;
    things.refused = true;
    const { name, maxGroups } = things.rule;
    const problem = `the rule "${name}" has more than ${maxGroups} groups that fire or are new (maxGroups)`;
    this.#options.onError(new Error(problem), `watching the entity "${things.entity}" for alerts`);
  }

  #step(thing: WatchedThing, nowMs: number): void {
    if (thing.storing || this.#closed) return;
    const { rule } = thing;
    if (nowMs - thing.heardAtMs >= rule.missingAfterMs) thing.zone = 'missing';
    const next = advance(thing.state, thing.zone, nowMs, rule);
    const was = isIncident(thing.state);
    thing.state = next;
    if (isIncident(next) !== was) void this.#store(thing);
  }

  /** Stores that an incident begins or ends. What is heard meanwhile counts afterwards. */
  async #store(thing: WatchedThing): Promise<void> {
    thing.storing = true;
    try {
      if (isIncident(thing.state)) await this.#fire(thing);
      else await this.#resolve(thing);
    } catch (error) {
      if (!this.#closed) this.#options.onError(error, `storing the alert of ${thing.rule.name}`);
    }
    thing.storing = false;
    this.#step(thing, this.#options.clock.monotonic());
  }

  async #fire(thing: WatchedThing): Promise<void> {
    const { rule, entity, group } = thing;
    const incident = await this.#log.begin(entity, group, this.#alertOf(thing));
    this.counters.fired++;
    thing.incident = incident;
    if (rule.remediation !== undefined) this.remediator.attend(incident, rule.remediation);
  }

  async #resolve(thing: WatchedThing): Promise<void> {
    const { incident, zone, value } = thing;
    thing.incident = undefined;
    if (incident === undefined) return;
    if (zone === 'missing') await this.#end(incident, 'no-data');
    else await this.#end(incident, 'recovered', value);
  }

  async #end(incident: Incident, reason: ResolveReason, value?: number): Promise<void> {
    this.counters.resolved++;
    await this.#log.change(incident, 'resolved', () => ({
      state: 'resolved',
      resolved_at: this.#isoNow(),
      resolve_reason: reason,
      ...(value !== undefined && { resolved_value: value }),
    }));
  }

  #alertOf(thing: WatchedThing): Omit<SystemAlert, 'change' | 'revision'> {
    const { rule, group, value, topic, zone } = thing;
    const isMissing = zone === 'missing' || value === undefined;
    const threshold = isMissing ? undefined : thresholdOf(rule, value);
    return {
      alert_id: `${rule.name}-${this.#options.newId()}`,
      severity: rule.severity,
      category: rule.category,
      source: rule.name,
      message: isMissing ? silenceOf(thing) : messageOf(thing, value),
      affected_portals: group === undefined ? [] : [group],
      recommended_action: rule.recommendedAction,
      auto_remediation_attempted: false,
      auto_remediation_status: rule.remediation === undefined ? null : 'pending',
      state: 'firing',
      reason: isMissing ? 'no-data' : 'threshold',
      ...(!isMissing && { value }),
      ...(threshold !== undefined && { threshold }),
      ...(topic !== undefined && { topic }),
      fired_at: this.#isoNow(),
    };
  }

  #isoNow(): string {
    return new Date(this.#options.clock.now()).toISOString();
  }
}

function watches({ entity, watch }: AlertRule, of: string): boolean {
  return entity === of || (entity === '*' && watch.kind === 'event');
}

function hasGroups({ watch }: AlertRule): boolean {
  return watch.kind === 'event' && watch.group !== undefined;
}

function messageOf({ rule, entity, group, topic }: WatchedThing, value: number): string {
  const threshold = thresholdOf(rule, value);
  const values: Record<string, unknown> = {
    rule: rule.name,
    entity,
    group,
    topic,
    figure: figureNameOf(rule),
    value: Number(value.toPrecision(6)),
    side: threshold === rule.above ? 'above' : 'below',
    threshold,
  };
  return rule.message.fill((name) => values[name]);
}

function silenceOf({ rule, group }: WatchedThing): string {
  const of = group === undefined ? '' : ` of ${group}`;
  return `${figureNameOf(rule)}${of} has not been heard of for ${rule.missingAfterMs / 1000} s`;
}
