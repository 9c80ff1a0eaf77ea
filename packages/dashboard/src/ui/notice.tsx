import type { ReactNode } from 'react';
import './notice.css';

interface NoticeProps {
  readonly title: string;
  readonly children?: ReactNode;
  /** `status` for what is being waited for, `alert` for what went wrong. */
  readonly role?: 'status' | 'alert';
}

/** What stands where there is nothing to show, and what to do about it. */
export function Notice({ title, children, role }: NoticeProps): ReactNode {
  return (
    <div className="notice" role={role}>
      <h2>{title}</h2>
      {children !== undefined && <div className="notice-text">{children}</div>}
    </div>
  );
}
