// One row of a list that opens what it names.
import type { ReactNode } from 'react';

export function ListButton({
  selected,
  onClick,
  children,
}: {
  selected: boolean;
  onClick(): void;
  children: ReactNode;
}) {
  return (
    <button
      type="button"
      className={selected ? 'list-button selected' : 'list-button'}
      aria-current={selected ? 'true' : undefined}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
