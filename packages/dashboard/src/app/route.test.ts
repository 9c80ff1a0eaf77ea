import { expect, test } from 'vitest';
import { parseRoute, type Route, routeHref } from './route.ts';

test.each<Route>([
  { view: 'overview' },
  { view: 'topics' },
  { view: 'topic', topic: 'task.build-7:x_y' },
  { view: 'topic', topic: 'task.*' },
  { view: 'commands' },
  { view: 'run', topic: 'tool.run-1' },
])('the link to %o leads there', (route) => {
  expect(parseRoute(routeHref(route))).toEqual(route);
});

test.each(['', '#', '#/', '#/nothing', '#token=x'])('%j is the overview', (hash) => {
  expect(parseRoute(hash)).toEqual({ view: 'overview' });
});

test('a broken escape leads to the list', () => {
  expect(parseRoute('#/topics/%E0%A4%A')).toEqual({ view: 'topics' });
});
