import { Histogram } from '../metrics/histogram.ts';
import { ANSWER_ERRORS, type AnswerErrorCode } from './provider-error.ts';

const FIRST_TOKEN_BOUNDS_MS = [50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000];

/** What is counted of the answers that this node gave. */
export class LlmFigures {
  open = 0;
  started = 0;
  complete = 0;
  cancelled = 0;
  /** That providers yielded. */
  tokens = 0;
  /** Attempts after the first. */
  retries = 0;
  /** Requests for an answer that were turned away at a bound. */
  refused = 0;
  /** Answers that another server process left open, and this one brought to an end. */
  sealed = 0;
  readonly errors: Record<AnswerErrorCode, number>;
  /** From asking the provider to its first token, in ms. */
  readonly firstToken: Histogram = new Histogram(FIRST_TOKEN_BOUNDS_MS);

  constructor() {
    this.errors = Object.fromEntries(ANSWER_ERRORS.map((code) => [code, 0])) as Record<
      AnswerErrorCode,
      number
    >;
  }
}
