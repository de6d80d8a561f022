/** The filter over log lines. */

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
