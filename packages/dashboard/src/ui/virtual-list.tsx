import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, useRef } from 'react';
import './virtual-list.css';

interface VirtualListProps<Item> {
  readonly items: readonly Item[];
  readonly keyOf: (item: Item) => string;
  readonly rowHeight: number;
  readonly label: string;
  readonly renderRow: (item: Item) => ReactNode;
}

/** A list of rows of one height, of which only those in sight exist. */
export function VirtualList<Item>(props: VirtualListProps<Item>): ReactNode {
  const { items, keyOf, rowHeight, label, renderRow } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
  });
  // The card around the list has a border: the last row needs none.
  const height = items.length * rowHeight - 1;
  return (
    <div ref={scroller} className="virtual-list" style={{ flexBasis: height }}>
      <ul aria-label={label} style={{ height }}>
        {virtualizer.getVirtualItems().map(({ index }) => {
          const item = items[index];
          if (item === undefined) return null;
          const style = { height: rowHeight, transform: `translateY(${index * rowHeight}px)` };
          return (
            <li key={keyOf(item)} style={style} aria-posinset={index + 1} aria-setsize={items.length}>
              {renderRow(item)}
            </li>
          );
        })}
      </ul>
    </div>
  );
}
