import type { AlertRule } from './alert-rule.ts';
import { type AlertState, isIncident } from './alert-state.ts';
import type { Incident } from './incident.ts';
import type { Zone } from './thresholds.ts';

/** One of the things that a rule watches. */
export interface WatchedThing {
  readonly rule: AlertRule;
  readonly entity: string;
  /** Missing where the rule watches one thing. */
  readonly group: string | undefined;
  /** The last that was heard. */
  value: number | undefined;
  zone: Zone | 'missing';
  topic: string | undefined;
  /** When, monotonic ms; before anything was heard, when the watch began. */
  heardAtMs: number;
  state: AlertState;
  /** While `state` is one. */
  incident: Incident | undefined;
  /** A change of the incident is being stored: until then the state stands still. */
  storing: boolean;
}

/** The things that one rule watches in one entity: as many as the rule may, those heard of lately before others. */
export class WatchedThings {
  readonly rule: AlertRule;
  readonly entity: string;
  /** There was no room for some. */
  refused = false;
  readonly #things: Map<string | undefined, WatchedThing> = new Map();

  constructor(rule: AlertRule, entity: string) {
    this.rule = rule;
    this.entity = entity;
  }

  all(): Iterable<WatchedThing> {
    return this.#things.values();
  }

  get size(): number {
    return this.#things.size;
  }

  /** The thing of a group; `undefined` when there is no room for another. */
  of(group: string | undefined, nowMs: number): WatchedThing | undefined {
    const known = this.#things.get(group);
    if (known !== undefined) return known;
    if (this.#things.size >= this.rule.maxGroups && !this.#makeRoom()) return undefined;
    const { rule, entity } = this;
    const thing: WatchedThing = {
      rule,
      entity,
      group,
      value: undefined,
      zone: 'right',
      topic: undefined,
      heardAtMs: nowMs,
      state: { kind: 'ok' },
      incident: undefined,
      storing: false,
    };
    this.#things.set(group, thing);
    return thing;
  }

  /** Goes on with an incident of an earlier life, where there is room for it. */
  restore(incident: Incident, nowMs: number): boolean {
    const thing = this.of(incident.group, nowMs);
    if (thing === undefined || isIncident(thing.state)) return false;
    thing.state = { kind: 'firing' };
    thing.incident = incident;
    // Nothing was heard in this life.
    thing.zone = 'between';
    return true;
  }

  /** Forgets what is well and was not heard of for the longest time. */
  #makeRoom(): boolean {
    let oldest: WatchedThing | undefined;
    for (const thing of this.#things.values()) {
      if (thing.state.kind !== 'ok' || thing.storing) continue;
      if (oldest === undefined || thing.heardAtMs < oldest.heardAtMs) oldest = thing;
    }
    if (oldest !== undefined) this.#things.delete(oldest.group);
    return oldest !== undefined;
  }
}
