import { styleText } from 'node:util';
import type { MillraceEvent } from '@millrace/protocol';
import { printable, timeOf } from '../event-line.ts';
import type { ForwardNews } from './forwarder.ts';

const plural = (count: number, word: string): string => `${count} ${count === 1 ? word : `${word}s`}`;

function describe(news: ForwardNews, maxAttempts: number): string {
  switch (news.name) {
    case 'delivered':
      return news.attempts === 1 ? `${news.status}` : `${news.status} (try ${news.attempts})`;
    case 'failed':
      return `${news.reason}; again in ${(news.delayMs / 1000).toFixed(1)} s (try ${news.attempts} of ${maxAttempts})`;
    case 'dead':
      return `${news.reason}; dead letter after ${plural(news.attempts, 'try').replace('trys', 'tries')}`;
  }
}

const STYLES = { delivered: 'green', failed: 'yellow', dead: 'red' } as const;

/** One line of what became of an event, for people: when it was published, where it is from, and what the receiver said. */
export function formatNews(
  event: MillraceEvent,
  news: ForwardNews,
  { maxAttempts, colours }: { readonly maxAttempts: number; readonly colours: boolean },
): string {
  const what = `→ ${printable(describe(news, maxAttempts))}`;
  return [
    timeOf(event.timestamp),
    event.topic,
    `#${event.offset}`,
    printable(event.event),
    colours ? styleText(STYLES[news.name], what, { validateStream: false }) : what,
  ].join('  ');
}
