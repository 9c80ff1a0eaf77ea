import type { Clock } from '../clock.ts';
import { createHostProbe, type HostProbe, type HostReading } from './host-probe.ts';

/** Sizes in bytes, percentages 0–100 of all cores. */
export interface MachineFigures {
  readonly cpu_percent: number;
  readonly cpu_count: number;
  readonly memory_total: number;
  readonly memory_used: number;
  readonly memory_percent: number;
  readonly load_1m: number;
  readonly load_5m: number;
  readonly load_15m: number;
}

/** Percentages of one core: several threads may use more than one. */
export interface ProcessFigures {
  readonly rss: number;
  readonly heap_used: number;
  readonly cpu_percent: number;
  readonly uptime_s: number;
}

/** How late timers fired, in ms. */
export interface EventLoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface MeasuredHost {
  readonly machine: MachineFigures;
  readonly process: ProcessFigures;
  readonly event_loop_delay_ms: EventLoopDelay;
}

/** A reading and its moment, monotonic ms. */
export interface HostSample {
  readonly at: number;
  readonly reading: HostReading;
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function percent(part: number, whole: number): number {
  return whole <= 0 ? 0 : round(Math.min(100, Math.max(0, (part / whole) * 100)));
}

/** What the host and this process did between two samples. */
export function measureHost(before: HostSample, { at, reading }: HostSample): MeasuredHost {
  const elapsedMs = Math.max(1, at - before.at);
  const cpuTotal = reading.cpuTotalMs - before.reading.cpuTotalMs;
  const memoryUsed = reading.memoryTotal - reading.memoryAvailable;
  const [load1 = 0, load5 = 0, load15 = 0] = reading.load;
  const { p50, p99, max } = reading.eventLoopDelayMs;
  return {
    machine: {
      cpu_percent: percent(cpuTotal - (reading.cpuIdleMs - before.reading.cpuIdleMs), cpuTotal),
      cpu_count: reading.cpuCount,
      memory_total: reading.memoryTotal,
      memory_used: memoryUsed,
      memory_percent: percent(memoryUsed, reading.memoryTotal),
      load_1m: round(load1),
      load_5m: round(load5),
      load_15m: round(load15),
    },
    event_loop_delay_ms: { p50: round(p50), p99: round(p99), max: round(max) },
    process: {
      rss: reading.rss,
      heap_used: reading.heapUsed,
      cpu_percent: round(((reading.processCpuMs - before.reading.processCpuMs) / elapsedMs) * 100),
      uptime_s: Math.round(reading.uptimeSeconds),
    },
  };
}

/** Readings closer together than this say nothing about rates, in ms. */
const MIN_SPAN_MS = 1000;

/**
 * The host's and this process' figures for whoever asks: of the time since the last measurement, which is at least a second
 * ago. Measures nothing before somebody asks for the first time, and then since that moment.
 */
export class HostFigures {
  readonly #clock: Clock;
  readonly #createProbe: () => HostProbe;
  #probe: HostProbe | undefined = undefined;
  #last: HostSample | undefined = undefined;
  #measured: MeasuredHost | undefined = undefined;

  constructor(clock: Clock, createProbe: () => HostProbe = createHostProbe) {
    this.#clock = clock;
    this.#createProbe = createProbe;
  }

  /** The last measurement, and the reading that it ended with. */
  read(): { readonly measured: MeasuredHost; readonly reading: HostReading } {
    const last = this.#last;
    if (
      last !== undefined &&
      this.#measured !== undefined &&
      this.#clock.monotonic() - last.at < MIN_SPAN_MS
    ) {
      return { measured: this.#measured, reading: last.reading };
    }
    this.#probe ??= this.#createProbe();
    const sample = { at: this.#clock.monotonic(), reading: this.#probe.read() };
    this.#measured = measureHost(last ?? sample, sample);
    this.#last = sample;
    return { measured: this.#measured, reading: sample.reading };
  }

  close(): void {
    this.#probe?.close();
    this.#probe = undefined;
  }
}
