import type { Clock } from '../clock.ts';
import type { Incident } from './incident.ts';
import type { IncidentLog } from './incident-log.ts';
import type { Remediation, RemediationOutcome } from './remediation.ts';
import { runCommand } from './run-command.ts';
import { sendRequest } from './send-request.ts';

/** Remediations under way at once; more wait for their turn. */
const MAX_RUNNING = 4;

export interface RemediatorOptions {
  readonly log: IncidentLog;
  readonly clock: Clock;
  readonly onError: (error: unknown, doing: string) => void;
}

/**
 * Does what is to be done about incidents: once for each. That it was attempted is stored before it runs, so that a crash
 * leaves it `interrupted` and never makes it run twice.
 */
export class Remediator {
  /** Remediations by what became of them. */
  readonly counters: Record<RemediationOutcome['status'], number> = {
    succeeded: 0,
    failed: 0,
    'timed-out': 0,
    interrupted: 0,
  };
  readonly #options: RemediatorOptions;
  readonly #waiting: (() => Promise<void>)[] = [];
  readonly #running: Set<Promise<void>> = new Set();
  readonly #closing = new AbortController();

  constructor(options: RemediatorOptions) {
    this.#options = options;
  }

  /** Sees to an incident that waits for its remediation, when its turn comes. */
  attend(incident: Incident, remediation: Remediation): void {
    this.#waiting.push(() => this.#remedy(incident, remediation));
    this.#next();
  }

  /** Of an incident whose remediation a crash cut off: nobody knows how far it came. */
  async giveUp(incident: Incident): Promise<void> {
    this.counters.interrupted++;
    await this.#options.log.change(incident, 'remediation', () => ({
      auto_remediation_status: 'interrupted',
      auto_remediation_detail: 'the server ended while it ran',
    }));
  }

  /** Of an incident that nothing can be done about any more. */
  async skip(incident: Incident): Promise<void> {
    await this.#options.log.change(incident, 'remediation', () => ({ auto_remediation_status: 'skipped' }));
  }

  /** Ends what runs, and lets it be recorded. Idempotent. */
  async close(): Promise<void> {
    this.#waiting.length = 0;
    this.#closing.abort();
    await Promise.all(this.#running);
  }

  #next(): void {
    if (this.#running.size >= MAX_RUNNING) return;
    const remedy = this.#waiting.shift();
    if (remedy === undefined) return;
    const running = remedy()
      .catch((error: unknown) => {
        if (!this.#closing.signal.aborted) this.#options.onError(error, 'remedying an alert');
      })
      .then(() => {
        this.#running.delete(running);
        this.#next();
      });
    this.#running.add(running);
  }

  async #remedy(incident: Incident, remediation: Remediation): Promise<void> {
    const { log, clock } = this.#options;
    if (!(await this.#begin(incident))) return;
    const parts = { clock, signal: this.#closing.signal };
    const { status, detail } = await perform(remediation, incident, parts);
    this.counters[status]++;
    await log.change(incident, 'remediation', () => ({
      auto_remediation_status: status,
      auto_remediation_detail: detail,
    }));
  }

  /** Whether it is to run. What is over by itself needs no remedy. */
  async #begin(incident: Incident): Promise<boolean> {
    let runs = false;
    await this.#options.log.change(incident, 'remediation', ({ state, auto_remediation_status: status }) => {
      if (status !== 'pending') return undefined;
      runs = state === 'firing';
      return runs
        ? { auto_remediation_attempted: true, auto_remediation_status: 'running' }
        : { auto_remediation_status: 'skipped' };
    });
    return runs;
  }
}

function perform(
  remediation: Remediation,
  { alert }: Incident,
  parts: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<RemediationOutcome> {
  return remediation.kind === 'command'
    ? runCommand(remediation, alert, parts)
    : sendRequest(remediation, alert, parts);
}
