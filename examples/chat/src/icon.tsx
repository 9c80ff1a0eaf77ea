const PATHS = {
  plus: 'M12 5v14M5 12h14',
  link: 'M10 14a4.5 4.5 0 0 0 6.4 0l3-3a4.5 4.5 0 0 0-6.4-6.4l-1 1M14 10a4.5 4.5 0 0 0-6.4 0l-3 3a4.5 4.5 0 0 0 6.4 6.4l1-1',
  send: 'M12 19V5M6 11l6-6 6 6',
  down: 'M12 5v14M6 13l6 6 6-6',
} as const;

export function Icon({ name }: { readonly name: keyof typeof PATHS | 'stop' }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" width="18" height="18" aria-hidden="true">
      {name === 'stop' ? <rect x="5" y="5" width="14" height="14" rx="3.5" /> : <path d={PATHS[name]} />}
    </svg>
  );
}
