/** The stretch of time that charts show; each view remembers its own. */

import { type Signal, signal } from "@preact/signals";

import { clock } from "./format";

export const RANGES: readonly (readonly [number, string])[] = [
  [3600, "1 h"],
  [21_600, "6 h"],
  [86_400, "24 h"],
  [604_800, "7 d"],
  [2_592_000, "30 d"],
];

export const ranges: Record<"climate" | "device" | "learning" | "health", Signal<number>> = {
  climate: signal(21_600),
  device: signal(86_400),
  learning: signal(86_400),
  health: signal(21_600),
};

const DAY = 86_400;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A time on an axis or in a table: of day when the stretch is short, else with the date. */
export function moment(seconds: number, stretch: number): string {
  const date = new Date(seconds * 1000);
  const time = clock(seconds).slice(0, 5);
  if (stretch <= DAY + 3600) return time;
  const day = `${date.getDate()} ${MONTHS[date.getMonth()]}`;
  return stretch <= 8 * DAY ? `${day} ${time}` : day;
}
