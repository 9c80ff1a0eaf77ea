import type { MillraceEvents } from '@millrace/catalog';
import type { MillraceEvent } from '@millrace/protocol';
import { expectTypeOf, test } from 'vitest';
import { createClient } from './client.ts';
import type { AnyCatalog, Client, EventOf, OpenCatalog } from './types.ts';

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

test('without a catalog of its own a client knows the events of Millrace, and takes any other', () => {
  const publish = (client: Client<OpenCatalog>): void => {
    void client.publish('task.a', 'task.progress', { task_id: 'a', progress: 1, message: '' });
    void client.publish('orders.new', 'order.created', { id: 17 });
    // @ts-expect-error a field is missing
    void client.publish('task.a', 'task.progress', { task_id: 'a', progress: 1 });
    // @ts-expect-error a field is of another type
    void client.publish('task.a', 'task.progress', { task_id: 'a', progress: '1', message: '' });
  };
  const connect = () => publish(createClient({ url: 'http://localhost:3001' }));
  expectTypeOf(connect).returns.toBeVoid();
});

test('events that are read are told apart by their name, the others are of any type', () => {
  const read = (event: EventOf<OpenCatalog>): void => {
    if (event.event === 'task.progress') {
      expectTypeOf(event.data).toEqualTypeOf<MillraceEvents['task.progress']>();
    } else if (event.event === 'tool.output') expectTypeOf(event.data.is_stderr).toEqualTypeOf<boolean>();
    // @ts-expect-error a name that is compared with must be declared, or be misspelt unnoticed
    if (event.event === 'task.progres') return;
    expectTypeOf(event).toExtend<MillraceEvent>();
    expectTypeOf(event).toExtend<EventOf<AnyCatalog>>();
  };
  expectTypeOf(read).returns.toBeVoid();
});

test('events of an application stand beside those of Millrace', () => {
  type Events = MillraceEvents & { 'order.shipped': { parcels: number } };
  const use = (client: Client<Events>, event: EventOf<Events>): void => {
    if (event.event === 'order.shipped') expectTypeOf(event.data.parcels).toEqualTypeOf<number>();
    if (event.event === 'task.failed') expectTypeOf(event.data.error).toEqualTypeOf<string>();
    void client.publish('orders.new', 'order.shipped', { parcels: 2 });
    // @ts-expect-error an event that the catalog does not have
    void client.publish('orders.new', 'order.lost', { parcels: 2 });
  };
  expectTypeOf(use).returns.toBeVoid();
});

test('of any catalog any event may be published, and data is unknown', () => {
  expectTypeOf<Client<AnyCatalog>['publish']>().parameter(1).toEqualTypeOf<string>();
  expectTypeOf<EventOf<AnyCatalog>['data']>().toEqualTypeOf<unknown>();
  expectTypeOf<EventOf<AnyCatalog>['event']>().toEqualTypeOf<string>();
});

test('what takes any client takes one of every catalog', () => {
  const use = (client: Client): void => client.close();
  const useAll = (own: Client<Tasks>, open: Client<OpenCatalog>): void => {
    use(own);
    use(open);
  };
  expectTypeOf(useAll).returns.toBeVoid();
});
