import type { Cores } from './cores.ts';
import type { NativeTools } from './native-tools.ts';

/** What a run has at hand, and how thorough it is. */
export interface Environment {
  readonly cores: Cores;
  /** Missing without a C compiler: then a slower generator is used, and there is no floor. */
  readonly tools: NativeTools | undefined;
  /** Key and certificate of the run, in PEM files; missing without `openssl`. */
  readonly certificate: { readonly cert: string; readonly key: string } | undefined;
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Of the subscribers and sessions of each scenario; 1 except in tests. */
  readonly scale: number;
  /** Where CPU profiles of the server go. */
  readonly profileDirectory?: string;
}

export function scaled(count: number, { scale }: Environment): number {
  return Math.max(2, Math.round(count * scale));
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
