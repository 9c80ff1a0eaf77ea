import { expectTypeOf, test } from 'vitest';
import type { Client, EventOf } from './types.ts';

interface Tasks {
  'task.progress': { progress: number };
  'task.completed': { exitCode: number };
}

test('events of a catalog are told apart by their name', () => {
  const read = (event: EventOf<Tasks>): number => {
    switch (event.event) {
      case 'task.progress':
        return event.data.progress;
      case 'task.completed':
        return event.data.exitCode;
    }
  };
  expectTypeOf(read).parameter(0).toHaveProperty('offset');
});

test('what is published must fit the catalog', () => {
  const publish = (client: Client<Tasks>): void => {
    void client.publish('task.a', 'task.progress', { progress: 1 });
    // @ts-expect-error the data of another event
    void client.publish('task.a', 'task.progress', { exitCode: 1 });
    // @ts-expect-error an event that the catalog does not have
    void client.publish('task.a', 'task.unknown', {});
  };
  expectTypeOf(publish).parameter(0).toEqualTypeOf<Client<Tasks>>();
});

test('without a catalog any event may be published, and data is unknown', () => {
  expectTypeOf<Client['publish']>().parameter(1).toEqualTypeOf<string>();
  expectTypeOf<EventOf<Record<string, unknown>>['data']>().toEqualTypeOf<unknown>();
});
