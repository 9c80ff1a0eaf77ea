import { type Chat, chatView } from '@millrace/catalog/views';
import type { MillraceEvent } from '@millrace/protocol';
import type { Engine, StoredEvent } from '../engine/engine.ts';

/** Events that are read at a time, and in all. */
const PAGE = { maxEvents: 1000 } as const;
const MAX_EVENTS = 10_000;

/** What the newest events of a conversation add up to, for topics that have another view than `chat`. */
export async function newestChat(engine: Engine, entity: string, topic: string): Promise<Chat> {
  let chat = chatView.initial();
  let page = await engine.read(entity, topic, { last: MAX_EVENTS }, PAGE);
  // What is trimmed or deleted meanwhile ends the reading: nobody needs it any more.
  while (page.ok) {
    for (const event of page.events) chat = chatView.fold(chat, toEvent(event));
    if (page.behind === 0) break;
    page = await engine.read(entity, topic, { after: page.position }, PAGE);
  }
  return chat;
}

function toEvent({ topic, event, id, offset, epoch, timestamp, data }: StoredEvent): MillraceEvent {
  return {
    topic,
    event,
    id,
    offset,
    epoch,
    timestamp: new Date(timestamp).toISOString(),
    data: JSON.parse(data) as unknown,
  };
}
