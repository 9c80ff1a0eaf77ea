import type { Clock } from '../clock.ts';
import type { HostFigures } from '../services/host-figures.ts';
import { TimeRing } from './time-ring.ts';

export interface NodeLoadOptions {
  readonly clock: Clock;
  readonly host: HostFigures;
  /** Of all sessions, as they were on the wire; both only grow. */
  readonly traffic: { readonly bytesSent: number; readonly bytesReceived: number };
}

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const FIELDS = ['rss', 'cpu', 'sent', 'received'] as const;

/** What the node's process takes, sampled once a minute for a day, for its operator. */
export class NodeLoad {
  readonly #options: NodeLoadOptions;
  readonly #minutes = new TimeRing({ slotMs: MINUTE_MS, slots: DAY_MS / MINUTE_MS, fields: FIELDS });
  #lastMs: number;
  #sent = 0;
  #received = 0;

  constructor(options: NodeLoadOptions) {
    this.#options = options;
    this.#lastMs = options.clock.monotonic();
  }

  sample(): void {
    const { clock, host, traffic } = this.#options;
    const now = clock.now();
    const { process } = host.read().measured;
    this.#minutes.raise('rss', now, process.rss);
    this.#minutes.raise('cpu', now, process.cpu_percent);
    this.#minutes.add('sent', now, traffic.bytesSent - this.#sent);
    this.#minutes.add('received', now, traffic.bytesReceived - this.#received);
    this.#sent = traffic.bytesSent;
    this.#received = traffic.bytesReceived;
    this.#lastMs = clock.monotonic();
  }

  /** Now, and the most of a day; rates are of the time since the last sample, or of the last minute where that is no second ago. */
  read() {
    const { clock, host } = this.#options;
    const { process, machine } = host.read().measured;
    const past = this.#minutes.past(clock.now() + MINUTE_MS);
    const most = (field: (typeof FIELDS)[number]): number =>
      Math.max(0, ...past.map(({ values }) => values[field]));
    return {
      memory_usage: {
        rss: process.rss,
        heap_used: process.heap_used,
        peak_rss: Math.max(process.rss, most('rss')),
        host_percent: machine.memory_percent,
      },
      cpu_usage: {
        process_percent: process.cpu_percent,
        peak_process_percent: Math.max(process.cpu_percent, most('cpu')),
        host_percent: machine.cpu_percent,
      },
      network_throughput: {
        ...this.#rates(),
        peak_sent_per_second: Math.round(most('sent') / 60),
        peak_received_per_second: Math.round(most('received') / 60),
      },
    };
  }

  #rates() {
    const { clock, traffic } = this.#options;
    const seconds = (clock.monotonic() - this.#lastMs) / 1000;
    const newest = this.#minutes.past(clock.now() + MINUTE_MS).at(-1)?.values;
    const [sent, received, span] =
      seconds >= 1
        ? [traffic.bytesSent - this.#sent, traffic.bytesReceived - this.#received, seconds]
        : [newest?.sent ?? 0, newest?.received ?? 0, 60];
    return {
      sent_per_second: Math.round(sent / span),
      received_per_second: Math.round(received / span),
    };
  }
}
