import type { ReactNode } from 'react';
import { MoonIcon, SunIcon, SystemIcon } from '../ui/icons.tsx';
import { THEMES, type Theme, useTheme } from './theme.ts';

const ICONS: Readonly<Record<Theme, () => ReactNode>> = {
  system: SystemIcon,
  light: SunIcon,
  dark: MoonIcon,
};

/** One button: system, light, dark, and round again. */
export function ThemeToggle(): ReactNode {
  const [theme, setTheme] = useTheme();
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'system';
  const Icon = ICONS[theme];
  return (
    <button
      type="button"
      className="button icon bare"
      aria-label={`Theme: ${theme}. Change to ${next}`}
      title={`Theme: ${theme}`}
      onClick={() => setTheme(next)}
    >
      <Icon />
    </button>
  );
}
