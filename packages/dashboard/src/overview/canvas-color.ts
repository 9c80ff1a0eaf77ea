import { useSyncExternalStore } from 'react';

/** What a CSS colour (with `var(…)`) is for an element right now, in a form that a canvas understands. */
export function canvasColor(element: HTMLElement, color: string): string {
  const probe = document.createElement('span');
  probe.style.color = color;
  element.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

function subscribe(onChange: () => void): () => void {
  const system = window.matchMedia('(prefers-color-scheme: dark)');
  const observer = new MutationObserver(onChange);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  system.addEventListener('change', onChange);
  return () => {
    observer.disconnect();
    system.removeEventListener('change', onChange);
  };
}

function currentScheme(): string {
  const chosen = document.documentElement.dataset.theme;
  return chosen ?? (window.matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
}

/** The colour scheme in force; what is drawn on a canvas must be drawn anew when it changes. */
export function useColorScheme(): string {
  return useSyncExternalStore(subscribe, currentScheme);
}
