import type { ReactNode } from 'react';

/** Icons of one hand: 16 × 16, strokes of 1.5, in the colour of the text beside them. Always beside or inside a label. */
function icon(path: string): () => ReactNode {
  return function Icon() {
    return (
      <svg
        aria-hidden="true"
        width="16"
        height="16"
        viewBox="0 0 16 16"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinecap="round"
        strokeLinejoin="round"
      >
        <path d={path} />
      </svg>
    );
  };
}

export const OverviewIcon: () => ReactNode = icon('M1.75 8h2.5l2-5 3.5 10 2-5h2.5');
export const TopicsIcon: () => ReactNode = icon('M2.25 3.75h11.5M2.25 8h11.5M2.25 12.25h7');
export const CommandsIcon: () => ReactNode = icon('M2.5 4l4 4-4 4M8.5 12.25h5');
export const SearchIcon: () => ReactNode = icon('M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM10.75 10.75 14 14');
export const CloseIcon: () => ReactNode = icon('M4 4l8 8M12 4l-8 8');
export const PauseIcon: () => ReactNode = icon('M5.5 3.5v9M10.5 3.5v9');
export const PlayIcon: () => ReactNode = icon('M5 3.25v9.5L12.5 8z');
export const CopyIcon: () => ReactNode = icon(
  'M6 5.5h6.5a.75.75 0 0 1 .75.75v6.5a.75.75 0 0 1-.75.75H6a.75.75 0 0 1-.75-.75V6.25A.75.75 0 0 1 6 5.5ZM10.5 5.5V3.25a.75.75 0 0 0-.75-.75H3.25a.75.75 0 0 0-.75.75v6.5c0 .41.34.75.75.75h2',
);
export const DownloadIcon: () => ReactNode = icon('M8 2.5v7.5M4.75 7 8 10.25 11.25 7M2.75 13.25h10.5');
export const WrapIcon: () => ReactNode = icon(
  'M2 3.75h12M2 8h9.5a2.25 2.25 0 0 1 0 4.5H8.5M10 10.75 8.25 12.5 10 14.25M2 12.25h3',
);
export const UpIcon: () => ReactNode = icon('M4 10l4-4 4 4');
export const DownIcon: () => ReactNode = icon('M4 6l4 4 4-4');
export const EndIcon: () => ReactNode = icon('M8 2.5v7M4.75 6.75 8 10l3.25-3.25M3 13.25h10');
export const BackIcon: () => ReactNode = icon('M10 3.5 5.5 8l4.5 4.5');
export const SunIcon: () => ReactNode = icon(
  'M8 10.75a2.75 2.75 0 1 0 0-5.5 2.75 2.75 0 0 0 0 5.5ZM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M12.6 3.4l-.7.7M4.1 11.9l-.7.7',
);
export const MoonIcon: () => ReactNode = icon(
  'M13.25 9.5A5.75 5.75 0 0 1 6.5 2.75a5.75 5.75 0 1 0 6.75 6.75Z',
);
export const SystemIcon: () => ReactNode = icon(
  'M2.75 3h10.5a.75.75 0 0 1 .75.75v6.5a.75.75 0 0 1-.75.75H2.75a.75.75 0 0 1-.75-.75v-6.5A.75.75 0 0 1 2.75 3ZM5.5 13.5h5',
);
export const SignOutIcon: () => ReactNode = icon(
  'M6.5 13.25H3.25a.75.75 0 0 1-.75-.75v-9a.75.75 0 0 1 .75-.75H6.5M10.5 11 13.5 8l-3-3M13.25 8H6.5',
);
