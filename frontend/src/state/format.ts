/** Numbers, durations and times as people read them. Pure functions, no locale surprises. */

const DASH = "–";

/** Frames per second: two significant decimals below 10, none above 1000. */
export function rate(value: number): string {
  if (!Number.isFinite(value)) return DASH;
  if (value === 0) return "0";
  if (value < 0.1) return "<0.1";
  return value < 100 ? value.toFixed(1) : count(Math.round(value));
}

/** Milliseconds with the unit that keeps three digits: µs, ms or s. */
export function millis(value: number): string {
  if (!Number.isFinite(value) || value < 0) return DASH;
  if (value === 0) return "0 ms";
  if (value < 1) return `${Math.max(1, Math.round(value * 1000))} µs`;
  if (value < 10) return `${value.toFixed(1)} ms`;
  if (value < 1000) return `${Math.round(value)} ms`;
  return `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)} s`;
}

/** An integer with thin spaces between thousands; from a million on, shortened. */
export function count(value: number): string {
  if (!Number.isFinite(value)) return DASH;
  if (Math.abs(value) >= 1e9) return `${(value / 1e9).toFixed(2)} G`;
  if (Math.abs(value) >= 1e7) return `${(value / 1e6).toFixed(1)} M`;
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** Bytes in binary units. */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let rest = value;
  let unit = 0;
  while (rest >= 1024 && unit < units.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  return `${unit === 0 || rest >= 100 ? Math.round(rest) : rest.toFixed(1)} ${units[unit]}`;
}

/** Seconds as `42 s`, `3 min 05 s`, `2 h 07 min` or `4 d 03 h`. */
export function duration(seconds: number): string {
  const total = Math.max(0, Math.floor(seconds));
  const pad = (part: number): string => String(part).padStart(2, "0");
  if (total < 60) return `${total} s`;
  if (total < 3600) return `${Math.floor(total / 60)} min ${pad(total % 60)} s`;
  if (total < 86_400) return `${Math.floor(total / 3600)} h ${pad(Math.floor((total % 3600) / 60))} min`;
  return `${Math.floor(total / 86_400)} d ${pad(Math.floor((total % 86_400) / 3600))} h`;
}

/** Wall-clock time of day, `12:03:04`, with milliseconds when asked. */
export function clock(seconds: number, withMillis = false): string {
  const date = new Date(seconds * 1000);
  const pad = (part: number, width = 2): string => String(part).padStart(width, "0");
  const base = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return withMillis ? `${base}.${pad(date.getMilliseconds(), 3)}` : base;
}

/** `just now`, `5 s ago`, `3 min 05 s ago`. */
export function ago(seconds: number): string {
  return seconds < 1 ? "just now" : `${duration(seconds)} ago`;
}

/** `640×480` of an array's shape (height, width, channels), or its dimensions for anything else. */
export function resolution(shape: readonly number[] | null | undefined): string {
  if (!shape || shape.length === 0) return "";
  if (shape.length === 2 || shape.length === 3) return `${shape[1]}×${shape[0]}`;
  return shape.join("×");
}

/** `3 drops`, `1 drop`. */
export function plural(value: number, word: string): string {
  return `${count(value)} ${word}${value === 1 ? "" : "s"}`;
}

/** One log field or option as short text. */
export function fieldText(value: unknown): string {
  if (typeof value === "string") return /[\s="]/.test(value) ? JSON.stringify(value) : value;
  if (typeof value === "number" && !Number.isInteger(value)) return String(+value.toFixed(4));
  return JSON.stringify(value) ?? "null";
}

/** All fields of a log line as `key=value key=value`. */
export function fieldsText(fields: Record<string, unknown>): string {
  return Object.entries(fields)
    .map(([key, value]) => `${key}=${fieldText(value)}`)
    .join(" ");
}

/** A number of a message: six digits are enough, but the whole part (a time stamp) is kept. */
export function plain(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return String(Math.abs(value) < 1e5 ? +value.toPrecision(6) : +value.toFixed(2));
}

/** A number as people write it, with a true minus and never as minus zero. */
export function figure(value: number, digits = 0): string {
  return value.toFixed(digits).replace(/^-(?=0(\.0*)?$)/, "").replace("-", "−");
}
