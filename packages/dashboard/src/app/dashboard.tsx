import { lazy, type ReactNode, Suspense, useEffect, useRef } from 'react';
import { Toaster } from 'sonner';
import { CommandsPage } from '../commands/commands-page.tsx';
import { RunPage } from '../commands/run-page.tsx';
import { TopicPage } from '../topics/topic-page.tsx';
import { TopicsPage } from '../topics/topics-page.tsx';
import { useColorScheme } from '../ui/use-color-scheme.ts';
import { ConnectionBanner } from './connection-banner.tsx';
import { type Route, routeHref, useRoute } from './route.ts';
import { Shell } from './shell.tsx';
import { useErrorToasts } from './use-error-toasts.ts';

/** Charts are the heaviest part and not needed by the other views. */
const OverviewPage = lazy(async () => ({
  default: (await import('../overview/overview-page.tsx')).OverviewPage,
}));

export function Dashboard({ onSignOut }: { onSignOut: () => void }): ReactNode {
  const route = useRoute();
  const scheme = useColorScheme();
  useErrorToasts();
  useFreshStart(route);
  useEffect(() => {
    document.title = `${titleOf(route)} · Millrace`;
  }, [route]);
  return (
    <Shell route={route} onSignOut={() => onSignOut()}>
      <ConnectionBanner />
      <Suspense>
        <View route={route} />
      </Suspense>
      <Toaster position="bottom-right" theme={scheme} visibleToasts={4} className="toaster" />
    </Shell>
  );
}

/** A view begins at its top, and with the keyboard's focus, as a page of its own would. */
function useFreshStart(route: Route): void {
  const shown = useRef(routeHref(route));
  useEffect(() => {
    const href = routeHref(route);
    if (shown.current === href) return;
    shown.current = href;
    const content = document.getElementById('content');
    content?.scrollTo(0, 0);
    content?.focus({ preventScroll: true });
  }, [route]);
}

function View({ route }: { route: Route }): ReactNode {
  switch (route.view) {
    case 'overview':
      return <OverviewPage />;
    case 'topics':
      return <TopicsPage />;
    case 'topic':
      return <TopicPage key={route.topic} topic={route.topic} />;
    case 'commands':
      return <CommandsPage />;
    case 'run':
      return <RunPage key={route.topic} topic={route.topic} />;
  }
}

function titleOf(route: Route): string {
  switch (route.view) {
    case 'overview':
      return 'Overview';
    case 'topics':
      return 'Topics';
    case 'commands':
      return 'Commands';
    default:
      return route.topic;
  }
}
