// How commands speak: counted things, and the word that was probably meant.

/** `1 entry`, `2 entries`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Of the known words the one that differs by the fewest letters, if that is few. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const most = Math.max(1, Math.floor(word.length / 3));
  const [best] = known
    .map((one) => ({ one, letters: lettersBetween(word, one) }))
    .filter(({ letters }) => letters <= most)
    .sort((a, b) => a.letters - b.letters);
  return best?.one;
}

/** Letters to add, leave out or replace; two that changed places count as one. */
function lettersBetween(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (last[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2] : undefined;
      row.push(Math.min(replaced, (last[j] as number) + 1, (row[j - 1] as number) + 1, (swapped ?? Infinity) + 1));
    }
    before = last;
    last = row;
  }
  return last[b.length] as number;
}
