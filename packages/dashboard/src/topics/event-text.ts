import type { MillraceEvent } from '@millrace/protocol';

const texts = new WeakMap<MillraceEvent, string>();

/** An event's data on one line, made once an event. */
export function eventText(event: MillraceEvent): string {
  let text = texts.get(event);
  if (text === undefined) {
    text = JSON.stringify(event.data) ?? '';
    texts.set(event, text);
  }
  return text;
}

/** Those whose name, topic, key, source or data contains the text. */
export function filterEvents(events: readonly MillraceEvent[], query: string): readonly MillraceEvent[] {
  const text = query.trim().toLowerCase();
  if (text === '') return events;
  const contains = (part: string | undefined): boolean => part?.toLowerCase().includes(text) ?? false;
  return events.filter(
    (event) =>
      contains(event.event) ||
      contains(event.topic) ||
      contains(event.key) ||
      contains(event.source) ||
      contains(eventText(event)),
  );
}
