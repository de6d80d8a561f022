/** A scale of colours in even steps of lightness, from the page's background upwards. */

import type { Theme } from "../../state/theme";

const DARK = ["#0b0710", "#211a33", "#2f2f5c", "#35518a", "#33789f", "#389fa8", "#5cc3ac", "#a5e0b8", "#eefbd9"];
const LIGHT = ["#f3f7f4", "#cfe8dc", "#9fd3c7", "#6bb8b6", "#4299ab", "#37779c", "#395489", "#37336a", "#221a3c"];

/** 256 colours as RGBA, red in the lowest byte. */
export function scaleOf(theme: Theme): Uint32Array {
  const stops = (theme === "dark" ? DARK : LIGHT).map(parts);
  return Uint32Array.from({ length: 256 }, (_, index) => {
    const place = (index / 255) * (stops.length - 1);
    const at = Math.min(Math.floor(place), stops.length - 2);
    const [from, to] = [stops[at] ?? [0, 0, 0], stops[at + 1] ?? [0, 0, 0]];
    const mix = (part: number): number => {
      const begin = from[part] ?? 0;
      return Math.round(begin + ((to[part] ?? 0) - begin) * (place - at));
    };
    return ((255 << 24) | (mix(2) << 16) | (mix(1) << 8) | mix(0)) >>> 0;
  });
}

/** The scale for a legend. */
export function gradient(theme: Theme): string {
  return `linear-gradient(to right, ${(theme === "dark" ? DARK : LIGHT).join(", ")})`;
}

function parts(hex: string): number[] {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}
