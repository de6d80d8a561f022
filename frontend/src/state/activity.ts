/** What happened, as the activity view sums it up: filters, figures, and bars over time. */

import type { Activity } from "./types";

export const ACTIVITY_CAPACITY = 2000;

export const KINDS = ["alert", "action", "failure", "other"] as const;
export type Kind = (typeof KINDS)[number];

/** Which of the four groups an entry belongs to. */
export function kindOf(entry: Activity): Kind {
  if (entry.ok === false || entry.level === "error") return "failure";
  return entry.kind === "alert" || entry.kind === "action" ? entry.kind : "other";
}

export interface ActivityFilter {
  kind: Kind | "";
  pipeline: string;
}

export const NO_FILTER: ActivityFilter = { kind: "", pipeline: "" };

/** What passes the filter, newest first. */
export function filterActivity(all: readonly Activity[], filter: ActivityFilter): Activity[] {
  return all
    .filter((entry) => (!filter.kind || kindOf(entry) === filter.kind) && (!filter.pipeline || entry.pipeline === filter.pipeline))
    .reverse();
}

export function pipelinesOf(all: readonly Activity[]): string[] {
  return [...new Set(all.map((entry) => entry.pipeline).filter(Boolean))].sort();
}

export interface Summary {
  alerts: number;
  actions: number;
  failures: number;
  /** Median of what actions took from the sensor's own time on, in ms; null without one. */
  latency: number | null;
}

/** Figures of the last `seconds` before `now`. */
export function summary(all: readonly Activity[], now: number, seconds: number): Summary {
  const recent = all.filter((entry) => entry.time > now - seconds);
  const latencies = recent
    .filter((entry) => entry.kind === "action" && entry.ok !== false)
    .map((entry) => entry.latency_ms)
    .filter((value) => value !== null)
    .sort((a, b) => a - b);
  return {
    alerts: recent.filter((entry) => entry.kind === "alert").length,
    actions: recent.filter((entry) => entry.kind === "action").length,
    failures: recent.filter((entry) => kindOf(entry) === "failure").length,
    latency: latencies[Math.floor(latencies.length / 2)] ?? null,
  };
}

export type Bar = Record<Kind, number>;

/** Entries per kind in `count` equal slices of the last `seconds`, oldest first. */
export function bars(all: readonly Activity[], now: number, seconds: number, count: number): Bar[] {
  const slices = Array.from({ length: count }, (): Bar => ({ alert: 0, action: 0, failure: 0, other: 0 }));
  for (const entry of all) {
    const slice = slices[Math.floor(((entry.time - now + seconds) / seconds) * count)];
    if (slice) slice[kindOf(entry)] += 1;
  }
  return slices;
}
