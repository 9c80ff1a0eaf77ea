import type { MillraceEvents } from '@millrace/catalog';
import { type Random, rounded, Walk } from './random.ts';
import type { Publication, Source } from './source.ts';

export type PortalUpdate = MillraceEvents['consciousness_update'];

/** How far a disturbance moves each figure. */
const DISTURBED = {
  harmony: -0.45,
  resilience: -0.3,
  prana: -0.3,
  drishti: -0.2,
  klesha: 0.5,
  zoom: 0,
} as const;
type Figure = keyof typeof DISTURBED;

/** One portal: six figures that wander, a seventh that follows from them, and now and then a bad time. */
export class Portal implements Source {
  readonly id: string;
  readonly intervalMs = 1000;
  readonly #accountId: string;
  readonly #walks: Readonly<Record<Figure, Walk>>;
  #uptimePercent: number;
  #disturbedUntilMs = 0;

  constructor(number: number, random: Random) {
    this.id = `portal-${String(number).padStart(2, '0')}`;
    this.#accountId = `account-${1 + (number % 17)}`;
    this.#uptimePercent = random.between(99.5, 100);
    this.#walks = {
      harmony: new Walk(random, random.between(0.7, 0.9)),
      resilience: new Walk(random, random.between(0.65, 0.9)),
      prana: new Walk(random, random.between(0.6, 0.9)),
      drishti: new Walk(random, random.between(0.7, 0.95)),
      klesha: new Walk(random, random.between(0.05, 0.2)),
      zoom: new Walk(random, random.between(0.3, 0.7)),
    };
  }

  /** Until then its figures go where nobody wants them. */
  disturb(untilMs: number): void {
    this.#disturbedUntilMs = untilMs;
  }

  update(nowMs: number): PortalUpdate {
    const disturbed = nowMs < this.#disturbedUntilMs;
    const step = (figure: Figure): number =>
      this.#walks[figure].step(disturbed ? { pull: DISTURBED[figure], haste: 0.35 } : {});
    const [harmony, resilience, prana] = [step('harmony'), step('resilience'), step('prana')];
    const [drishti, klesha, zoom] = [step('drishti'), step('klesha'), step('zoom')];
    const level = 0.35 * harmony + 0.25 * resilience + 0.2 * prana + 0.2 * drishti;
    const consciousness_level = Math.min(1, Math.max(0, level * (1.1 - 0.5 * klesha)));
    const status = statusAt(consciousness_level);
    this.#countUptime(status);
    const figures = { consciousness_level, harmony, resilience, prana, drishti, klesha, zoom };
    const metrics = Object.fromEntries(
      Object.entries(figures).map(([name, value]) => [name, rounded(value, 4)]),
    ) as typeof figures;
    return {
      portal_id: this.id,
      account_id: this.#accountId,
      metrics,
      status,
      uptime_percent: rounded(this.#uptimePercent, 3),
    };
  }

  speak(nowMs: number): readonly Publication[] {
    const { id } = this;
    const data = this.update(nowMs);
    return [{ topic: 'metrics.consciousness', event: 'consciousness_update', data, key: id, source: id }];
  }

  #countUptime(status: string): void {
    const towards = status === 'critical' ? 0 : 100;
    this.#uptimePercent += (towards - this.#uptimePercent) * 0.0005;
  }
}

function statusAt(consciousnessLevel: number): 'healthy' | 'degraded' | 'critical' {
  if (consciousnessLevel >= 0.6) return 'healthy';
  return consciousnessLevel >= 0.45 ? 'degraded' : 'critical';
}
