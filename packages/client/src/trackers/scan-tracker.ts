import type { MillraceEvents } from '@millrace/catalog';
import type { PublishResult } from '@millrace/protocol';
import type { LastEvent } from '../platform.ts';
import { ProgressReport } from './progress-report.ts';
import { leaveScope } from './run-tracked.ts';
import { moveMeter, requireCount } from './running-step.ts';
import { TrackedRun } from './tracked-run.ts';
import type { TrackerHost } from './tracker-host.ts';
import type { ScanFinding, ScanOptions, ScanTracker } from './tracker-types.ts';

/** Publishes a scan: `scan.started`, what it finds, `scan.progress` as often as is useful, and `scan.completed`. */
export class PublishedScan implements ScanTracker {
  readonly run: TrackedRun;
  readonly report: ProgressReport;
  #findings = 0;
  #message: string | undefined;

  constructor(host: TrackerHost, { target, total, id, updates }: ScanOptions) {
    requireCount('total', total);
    this.run = new TrackedRun({ host, kind: 'scan', id, failure: (error) => this.#completed(error) });
    this.report = new ProgressReport({
      platform: host.platform,
      total,
      updates,
      send: () => this.#send(),
    });
    const started: MillraceEvents['scan.started'] = {
      ...this.#names,
      target,
      ...(total !== undefined && { total }),
    };
    this.run.tell('scan.started', started).catch(() => {});
  }

  get id(): string {
    return this.run.id;
  }

  get topic(): string {
    return this.run.topic;
  }

  get progress(): number {
    return this.report.progress;
  }

  get etaSeconds(): number | undefined {
    return this.report.etaSeconds;
  }

  get findings(): number {
    return this.#findings;
  }

  update(
    done: number,
    { message, total }: { readonly message?: string | undefined; readonly total?: number | undefined } = {},
  ): void {
    if (this.run.ended) return;
    moveMeter(this.report.meter, done, total);
    const news = message !== undefined && message !== this.#message;
    this.#message = message ?? this.#message;
    this.report.changed(news);
  }

  finding(finding: ScanFinding): Promise<PublishResult> {
    this.#findings += 1;
    const data: MillraceEvents['scan.finding'] = { ...withoutUndefined(finding), ...this.#names };
    return this.run.tell('scan.finding', data);
  }

  complete(): Promise<void> {
    if (!this.run.ended) {
      this.report.meter.done = this.report.meter.total;
      this.report.changed();
      this.report.end();
    }
    return this.run.end(this.#completed(undefined));
  }

  fail(error: unknown): Promise<void> {
    if (!this.run.ended) this.report.end();
    return this.run.fail(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return leaveScope(this);
  }

  lastEvents(why: string): readonly LastEvent[] {
    return [this.run.lastEvent(why)];
  }

  get #names(): { readonly scan_id: string; readonly producedAt: string } {
    return { scan_id: this.id, producedAt: this.run.producedAt };
  }

  #send(): Promise<unknown> {
    const { progress, etaSeconds } = this.report;
    const data: MillraceEvents['scan.progress'] = {
      ...this.#names,
      progress,
      findings: this.#findings,
      ...(this.#message !== undefined && { message: this.#message }),
      ...(etaSeconds !== undefined && { eta_seconds: etaSeconds }),
    };
    return this.run.tell('scan.progress', data).catch(() => {});
  }

  #completed(error: string | undefined): { event: string; data: MillraceEvents['scan.completed'] } {
    const { durationMs: duration_ms } = this.run;
    const data = {
      ...this.#names,
      findings: this.#findings,
      duration_ms,
      ...(error !== undefined && { error }),
    };
    return { event: 'scan.completed', data };
  }
}

/** `message: undefined` is as good as none. */
function withoutUndefined({ message, ...finding }: ScanFinding): MillraceEvents['scan.finding'] {
  return { ...finding, ...(message !== undefined && { message }) };
}
