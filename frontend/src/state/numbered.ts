/** Bounded lists of what the server numbers: log lines, activities. */

/** Merge what is new by its number, skip what is known, keep the newest `capacity`. */
export function append<T extends { number: number }>(
  known: readonly T[],
  fresh: readonly T[],
  capacity: number,
): readonly T[] {
  const newest = known[known.length - 1]?.number ?? -Infinity;
  if (fresh.every((item) => item.number > newest)) {
    return fresh.length === 0 ? known : [...known, ...fresh].slice(-capacity);
  }
  const numbers = new Set(known.map((item) => item.number));
  const missing = fresh.filter((item) => !numbers.has(item.number));
  if (missing.length === 0) return known;
  return [...known, ...missing].sort((a, b) => a.number - b.number).slice(-capacity);
}
