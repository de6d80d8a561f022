/** A bounded list of log lines and the filter over it. */

import { fieldsText } from "./format";
import type { LogLine } from "./types";

export const LOG_CAPACITY = 2000;

export const LEVELS = ["debug", "info", "warning", "error"] as const;

/** Rank of a level; unknown levels rank as info, critical as error. */
export function levelRank(level: string): number {
  const rank = LEVELS.indexOf(level as (typeof LEVELS)[number]);
  if (rank >= 0) return rank;
  return level === "critical" ? 3 : 1;
}

/** Merge new lines by their number, skip those known, keep the newest `capacity`. */
export function appendLines(
  known: readonly LogLine[],
  fresh: readonly LogLine[],
  capacity = LOG_CAPACITY,
): readonly LogLine[] {
  const newest = known[known.length - 1]?.number ?? -Infinity;
  if (fresh.every((line) => line.number > newest)) {
    return fresh.length === 0 ? known : [...known, ...fresh].slice(-capacity);
  }
  const numbers = new Set(known.map((line) => line.number));
  const missing = fresh.filter((line) => !numbers.has(line.number));
  if (missing.length === 0) return known;
  return [...known, ...missing].sort((a, b) => a.number - b.number).slice(-capacity);
}

export interface LogFilter {
  text: string;
  level: string;
  node: string;
}

export const NO_FILTER: LogFilter = { text: "", level: "debug", node: "" };

export function filterLines(lines: readonly LogLine[], filter: LogFilter): readonly LogLine[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const rank = levelRank(filter.level);
  if (words.length === 0 && rank === 0 && !filter.node) return lines;
  return lines.filter(
    (line) =>
      levelRank(line.level) >= rank &&
      (!filter.node || line.node === filter.node) &&
      (words.length === 0 || matches(line, words)),
  );
}

function matches(line: LogLine, words: readonly string[]): boolean {
  const text = `${line.node} ${line.level} ${line.event} ${fieldsText(line.fields)}`.toLowerCase();
  return words.every((word) => text.includes(word));
}
