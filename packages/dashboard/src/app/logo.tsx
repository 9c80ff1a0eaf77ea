import type { ReactNode } from 'react';
import mark from './mark.svg';

export function Logo(): ReactNode {
  return (
    <span className="logo">
      <img src={mark} alt="" width="24" height="24" />
      Millrace
    </span>
  );
}
