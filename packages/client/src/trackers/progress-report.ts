import type { Platform } from '../platform.ts';
import { ProgressMeter } from './progress-meter.ts';
import { SmoothedRate } from './smoothed-rate.ts';
import type { UpdateRate } from './tracker-types.ts';
import { UpdateThrottle } from './update-throttle.ts';

/** What is hardly news waits so long. */
const MAX_DELAY_MS = 1000;
/** Without steps, progress counts in percent. */
const PERCENT = 100;

export interface ProgressReportOptions {
  readonly platform: Platform;
  readonly total: number | undefined;
  readonly updates: UpdateRate | undefined;
  /** Tells how things stand; resolves when it was stored or refused. */
  readonly send: () => Promise<unknown>;
}

/** How far something has come, how long it will take, and when to say so. */
export class ProgressReport {
  readonly meter: ProgressMeter;
  readonly #options: ProgressReportOptions;
  readonly #rate: SmoothedRate;
  readonly #throttle: UpdateThrottle;
  readonly #minPercent: number;
  #toldProgress = 0;
  #toldDone = -1;

  constructor(options: ProgressReportOptions) {
    const { platform, total, updates } = options;
    const { maxPerSecond = 10, minPercent = 1 } = updates ?? {};
    if (!(maxPerSecond > 0)) throw new TypeError(`maxPerSecond must be more than 0, not ${maxPerSecond}`);
    this.#options = options;
    this.meter = new ProgressMeter(total ?? PERCENT);
    this.#rate = new SmoothedRate(platform.monotonic());
    this.#minPercent = minPercent;
    this.#throttle = new UpdateThrottle({
      platform,
      minIntervalMs: 1000 / maxPerSecond,
      maxDelayMs: MAX_DELAY_MS,
      send: () => this.#send(),
    });
  }

  /** From 0 to 100, in tenths; 100 only when all is done. */
  get progress(): number {
    return this.meter.finished ? 100 : Math.floor(this.meter.fraction * 1000) / 10;
  }

  /** In whole seconds. */
  get etaSeconds(): number | undefined {
    const { done, total } = this.meter;
    const leftMs = this.#rate.remainingMs(total - done, this.#options.platform.monotonic());
    return leftMs === undefined ? undefined : Math.round(leftMs / 1000);
  }

  /** The meter has moved; `news` when what is told beside it is another. */
  changed(news = false): void {
    this.#rate.observe(this.meter.done, this.#options.platform.monotonic());
    if (!news && this.meter.done === this.#toldDone) return;
    const { progress } = this;
    this.#throttle.changed(news || Math.abs(progress - this.#toldProgress) >= this.#minPercent);
    if (progress === 100 && this.#toldProgress !== 100) this.#throttle.flush();
  }

  /** Tells what has not been told yet, and nothing from then on. */
  end(): void {
    this.#throttle.flush();
    this.#throttle.close();
  }

  #send(): Promise<unknown> {
    this.#toldProgress = this.progress;
    this.#toldDone = this.meter.done;
    return this.#options.send();
  }
}
