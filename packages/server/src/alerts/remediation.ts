/** What is done about an alert, once for each incident. It comes from the configuration alone. */
export type Remediation = CommandRemediation | RequestRemediation;

/** Runs a program, without a shell, with the alert as JSON on its standard input. */
export interface CommandRemediation {
  readonly kind: 'command';
  readonly command: readonly [file: string, ...args: string[]];
  /** Where it runs; the server's own folder when missing. */
  readonly cwd: string | undefined;
  /** Variables of the server's environment that it gets, beside `PATH` and the `MILLRACE_ALERT_…` of the alert. */
  readonly environment: readonly string[];
  /** Then it is told to end, and soon after made to. */
  readonly timeoutMs: number;
}

/** Sends the alert to an address. */
export interface RequestRemediation {
  readonly kind: 'request';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Signs what is sent. */
  readonly secret: string | undefined;
  /** For one attempt. */
  readonly timeoutMs: number;
  /** Attempts after the first, of what may succeed another time. */
  readonly retries: number;
}

/** What became of it; the words of `auto_remediation_status`. */
export type RemediationOutcome = {
  readonly status: 'succeeded' | 'failed' | 'timed-out' | 'interrupted';
  /** Why, in a few words; never what a program printed or a server answered. */
  readonly detail: string;
};
