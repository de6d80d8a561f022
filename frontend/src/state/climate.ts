/** Words and figures of a climate system. Pure functions. */

import type { ChartData, ClimateDevice } from "./climate-types";

export interface Feature {
  title: string;
  short: string;
  unit: string;
  digits: number;
}

const FEATURES: Record<string, Feature> = {
  temperature: { title: "Temperature", short: "Temp.", unit: "°C", digits: 1 },
  humidity: { title: "Humidity", short: "Humidity", unit: "%", digits: 0 },
  sound_volume: { title: "Sound volume", short: "Sound", unit: "dBFS", digits: 0 },
};

/** How a feature, or any further kind of sensor, is called and told. */
export function feature(name: string): Feature {
  const title = name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");
  return FEATURES[name] ?? { title, short: title, unit: "", digits: 1 };
}

/** A number with so many digits and a true minus sign; a dash where it is not known. */
export function figure(value: number | null | undefined, digits = 0, unit = ""): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const text = value.toFixed(digits).replace(/^-(0\.?0*)$/, "$1").replace("-", "−");
  return unit ? `${text}\u202f${unit}` : text;
}

export function percent(share: number | null | undefined, digits = 0): string {
  return share === null || share === undefined ? "–" : figure(100 * share, digits, "%");
}

export type Level = "ok" | "warn" | "bad" | "left";

/** How loudly a device's state is shown, and in what words. */
export function stateOf(device: ClimateDevice): [Level, string] {
  if (device.left) return ["left", "left"];
  if (!device.online) return ["bad", "offline"];
  if (device.failure) return ["bad", device.failure];
  if (device.silent.length > 0) return ["warn", `${device.silent.join(", ")} silent`];
  if (device.configuration === "refused") return ["warn", "settings refused"];
  return ["ok", "online"];
}

/** How open a window is, in words. */
export function openness(position: number): string {
  if (position < 25) return "closed";
  if (position < 50) return "partially open";
  return position < 75 ? "mostly open" : "fully open";
}

/** Words between commas, without empty and repeated ones. */
export function words(text: string): string[] {
  return [...new Set(text.split(",").map((word) => word.trim()).filter(Boolean))];
}

/** Times of a chart's steps. */
export function timesOf(chart: ChartData): number[] {
  const count = chart.lines[0]?.values.length ?? 0;
  return Array.from({ length: count }, (_, at) => chart.since + at * chart.step);
}

/** True where a chart has no value at all. */
export function isEmpty(chart: ChartData): boolean {
  return chart.lines.every((line) => line.values.every((value) => value === null));
}

/** A typed setting from what somebody wrote: a number, true or false, else a text. */
export function settingOf(text: string): number | boolean | string {
  const plain = text.trim();
  if (plain === "true" || plain === "false") return plain === "true";
  const number = Number(plain);
  return plain !== "" && Number.isFinite(number) ? number : plain;
}
