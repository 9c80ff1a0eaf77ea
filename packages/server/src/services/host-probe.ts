import { cpus, freemem, loadavg, totalmem } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Figures of the machine and of this process at one moment; those of CPU time only grow. */
export interface HostReading {
  readonly cpuCount: number;
  /** Summed over all cores. */
  readonly cpuIdleMs: number;
  readonly cpuTotalMs: number;
  readonly memoryTotal: number;
  readonly memoryAvailable: number;
  /** Over 1, 5 and 15 minutes; zeros on Windows. */
  readonly load: readonly number[];
  /** Since the last reading. */
  readonly eventLoopDelayMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly rss: number;
  readonly heapUsed: number;
  readonly processCpuMs: number;
  readonly uptimeSeconds: number;
}

export interface HostProbe {
  read(): HostReading;
  close(): void;
}

const DELAY_RESOLUTION_MS = 20;

export function createHostProbe(): HostProbe {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  // The histogram holds the time between two ticks, which is the resolution when nothing is late.
  const late = (ns: number): number =>
    Number.isFinite(ns) ? Math.max(0, ns / 1e6 - DELAY_RESOLUTION_MS) : 0;

  return {
    read() {
      let cpuIdleMs = 0;
      let cpuTotalMs = 0;
      const cores = cpus();
      for (const { times } of cores) {
        cpuIdleMs += times.idle;
        cpuTotalMs += times.user + times.nice + times.sys + times.idle + times.irq;
      }
      const eventLoopDelayMs =
        delay.count === 0
          ? { p50: 0, p99: 0, max: 0 }
          : { p50: late(delay.percentile(50)), p99: late(delay.percentile(99)), max: late(delay.max) };
      delay.reset();
      const memory = process.memoryUsage();
      const cpu = process.cpuUsage();
      return {
        cpuCount: cores.length,
        cpuIdleMs,
        cpuTotalMs,
        memoryTotal: totalmem(),
        memoryAvailable: freemem(),
        load: loadavg(),
        eventLoopDelayMs,
        rss: memory.rss,
        heapUsed: memory.heapUsed,
        processCpuMs: (cpu.user + cpu.system) / 1000,
        uptimeSeconds: process.uptime(),
      };
    },
    close: () => delay.disable(),
  };
}
