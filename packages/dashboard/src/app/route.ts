import { useSyncExternalStore } from 'react';

/** Where in the dashboard; kept in the address's fragment, so that a link or a reload leads back to it. */
export type Route =
  | { readonly view: 'overview' }
  | { readonly view: 'topics' }
  | { readonly view: 'topic'; readonly topic: string }
  | { readonly view: 'commands' }
  | { readonly view: 'run'; readonly topic: string };

export function parseRoute(hash: string): Route {
  const [section = '', name = ''] = hash.replace(/^#?\/?/, '').split('/');
  const topic = decodeSegment(name);
  if (section === 'topics') return topic === '' ? { view: 'topics' } : { view: 'topic', topic };
  if (section === 'tools') return topic === '' ? { view: 'commands' } : { view: 'run', topic };
  return { view: 'overview' };
}

function decodeSegment(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

export function routeHref(route: Route): string {
  switch (route.view) {
    case 'overview':
      return '#/';
    case 'topics':
      return '#/topics';
    case 'topic':
      return `#/topics/${encodeURIComponent(route.topic)}`;
    case 'commands':
      return '#/tools';
    case 'run':
      return `#/tools/${encodeURIComponent(route.topic)}`;
  }
}

const subscribe = (onChange: () => void): (() => void) => {
  window.addEventListener('hashchange', onChange);
  return () => window.removeEventListener('hashchange', onChange);
};
const currentHash = (): string => window.location.hash;

export function useRoute(): Route {
  return parseRoute(useSyncExternalStore(subscribe, currentHash));
}
