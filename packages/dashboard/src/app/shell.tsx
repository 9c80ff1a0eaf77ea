import type { ReactNode } from 'react';
import { CommandsIcon, OverviewIcon, SignOutIcon, TopicsIcon } from '../ui/icons.tsx';
import { ConnectionStatus } from './connection-status.tsx';
import { Logo } from './logo.tsx';
import { type Route, routeHref } from './route.ts';
import { ThemeToggle } from './theme-toggle.tsx';
import './shell.css';

interface NavItem {
  readonly label: string;
  readonly to: Route;
  readonly views: readonly Route['view'][];
  readonly Icon: () => ReactNode;
}

const NAV: readonly NavItem[] = [
  { label: 'Overview', to: { view: 'overview' }, views: ['overview'], Icon: OverviewIcon },
  { label: 'Topics', to: { view: 'topics' }, views: ['topics', 'topic'], Icon: TopicsIcon },
  { label: 'Commands', to: { view: 'commands' }, views: ['commands', 'run'], Icon: CommandsIcon },
];

interface ShellProps {
  readonly route: Route;
  readonly onSignOut: () => void;
  readonly children: ReactNode;
}

/** Navigation beside the view; below it on a phone. */
export function Shell({ route, onSignOut, children }: ShellProps): ReactNode {
  return (
    <div className="shell">
      <button type="button" className="skip-link" onClick={focusContent}>
        Skip to content
      </button>
      <header className="shell-head">
        <a href={routeHref({ view: 'overview' })} aria-label="Millrace, overview">
          <Logo />
        </a>
        <div className="shell-tools">
          <ConnectionStatus />
          <span className="shell-buttons">
            <ThemeToggle />
            <button
              type="button"
              className="button icon bare"
              aria-label="Sign out"
              title="Sign out"
              onClick={onSignOut}
            >
              <SignOutIcon />
            </button>
          </span>
        </div>
      </header>
      <nav className="shell-nav" aria-label="Views">
        {NAV.map(({ label, to, views, Icon }) => (
          <a key={label} href={routeHref(to)} aria-current={views.includes(route.view) ? 'page' : undefined}>
            <Icon />
            {label}
          </a>
        ))}
      </nav>
      <main id="content" className="shell-main" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

/** Not a link: the fragment is the route. */
function focusContent(): void {
  document.getElementById('content')?.focus();
}
