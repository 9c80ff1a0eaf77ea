import type { MillraceEvents } from '@millrace/catalog';
import type { PortalUpdate } from './portal.ts';
import type { Publication } from './source.ts';

type Alert = MillraceEvents['system_alert'];

interface Rule {
  readonly name: string;
  readonly figure: keyof PortalUpdate['metrics'];
  /** 1 where more is worse, -1 where less is. */
  readonly worse: 1 | -1;
  readonly warnAt: number;
  readonly criticalAt: number;
  /** Back beyond this it is over; apart from `warnAt`, so that a figure on the brink does not flutter. */
  readonly overAt: number;
  readonly action: string;
}

const RULES: readonly Rule[] = [
  {
    name: 'consciousness-low',
    figure: 'consciousness_level',
    worse: -1,
    warnAt: 0.55,
    criticalAt: 0.45,
    overAt: 0.6,
    action: 'move load to a neighbouring portal until it has recovered',
  },
  {
    name: 'klesha-high',
    figure: 'klesha',
    worse: 1,
    warnAt: 0.5,
    criticalAt: 0.75,
    overAt: 0.4,
    action: 'look for what disturbs the portal',
  },
];

/** Updates in a row that must agree. */
const HOLD = 2;

interface Incident {
  readonly id: string;
  readonly severity: 'warning' | 'critical';
}

interface Watched {
  /** How many updates in a row were bad. */
  bad: number;
  incident: Incident | undefined;
}

/** Looks at what portals say, and raises an alert when one is bad for a while, when it gets worse, and when it is over. */
export class AlertWatch {
  /** By rule and portal. */
  readonly #watched = new Map<string, Watched>();
  readonly #run: string;
  #alerts = 0;

  /** `run` tells this watch's alerts from those of an earlier one. */
  constructor(run: string) {
    this.#run = run;
  }

  look(update: PortalUpdate): readonly Publication[] {
    return RULES.flatMap((rule) => this.#judge(rule, update)).map((data) => ({
      topic: 'system.alerts',
      event: 'system_alert',
      data,
      key: data.alert_id,
      source: data.source,
    }));
  }

  #judge(rule: Rule, update: PortalUpdate): readonly Alert[] {
    const watched = this.#of(rule, update.portal_id);
    const value = update.metrics[rule.figure];
    const reaches = (bound: number): boolean => rule.worse * (value - bound) >= 0;
    watched.bad = reaches(rule.warnAt) ? watched.bad + 1 : 0;
    const { incident } = watched;
    if (incident !== undefined && !reaches(rule.overAt)) {
      watched.incident = undefined;
      return [recovered(incident, rule, update)];
    }
    const severity = reaches(rule.criticalAt) ? 'critical' : 'warning';
    const isNews = incident === undefined || (incident.severity === 'warning' && severity === 'critical');
    if (watched.bad < HOLD || !isNews) return [];
    watched.incident = { id: incident?.id ?? `alert-${this.#run}-${++this.#alerts}`, severity };
    return [this.#raised(watched.incident, rule, update)];
  }

  #raised({ id, severity }: Incident, rule: Rule, { portal_id, metrics }: PortalUpdate): Alert {
    const remedied = severity === 'critical';
    return {
      alert_id: id,
      severity,
      category: 'performance',
      source: rule.name,
      message: `${rule.figure} of ${portal_id} is ${metrics[rule.figure].toFixed(2)}`,
      affected_portals: this.#affected(rule),
      recommended_action: rule.action,
      auto_remediation_attempted: remedied,
      auto_remediation_status: remedied ? 'running' : null,
    };
  }

  /** Where else the same is wrong now. */
  #affected({ name }: Rule): string[] {
    return [...this.#watched].flatMap(([key, { incident }]) =>
      incident !== undefined && key.startsWith(`${name} `) ? [key.slice(name.length + 1)] : [],
    );
  }

  #of({ name }: Rule, portalId: string): Watched {
    const key = `${name} ${portalId}`;
    const known = this.#watched.get(key);
    if (known !== undefined) return known;
    const watched: Watched = { bad: 0, incident: undefined };
    this.#watched.set(key, watched);
    return watched;
  }
}

function recovered({ id, severity }: Incident, rule: Rule, { portal_id, metrics }: PortalUpdate): Alert {
  const remedied = severity === 'critical';
  return {
    alert_id: id,
    severity: 'info',
    category: 'performance',
    source: rule.name,
    message: `${portal_id} has recovered: its ${rule.figure} is ${metrics[rule.figure].toFixed(2)}`,
    affected_portals: [portal_id],
    recommended_action: 'nothing',
    auto_remediation_attempted: remedied,
    auto_remediation_status: remedied ? 'succeeded' : null,
  };
}
