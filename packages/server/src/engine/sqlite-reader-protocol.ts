import type { Page } from './sqlite-pages.ts';

/** What the engine and its reader thread say to each other, beside the page requests themselves. */
export interface ReaderOptions {
  readonly path: string;
}

export type ReaderReply =
  | { readonly type: 'page'; readonly page: Page }
  | { readonly type: 'closed' }
  | { readonly type: 'failed'; readonly message: string };
