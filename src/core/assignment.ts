// Which waiting conversation goes to which person.

/** The written reason of one assignment decision. */
export interface AssignReceipt {
  kind: 'assign';
  at: number;
  queue: string;
  method: string;
  candidates: { id: string; load?: number; capacity?: number; excluded?: string }[];
  chosen?: string;
  tieBreak?: string;
}
