/** Bars beside their names: how much of each. */

import type { JSX } from "preact";

export interface Bar {
  name: string;
  value: number;
  text: string;
  level?: "ok" | "warn" | "bad";
  href?: string;
  title?: string;
}

/** Bars from the left, of the largest value or `most`; with `signed` from the middle, from -most to most. */
export function Bars({ label, bars, most, signed = false }: { label: string; bars: readonly Bar[]; most?: number; signed?: boolean }): JSX.Element {
  const end = most ?? Math.max(...bars.map((bar) => Math.abs(bar.value)), 1e-9);
  return (
    <ul class={`bars ${signed ? "signed" : ""}`} aria-label={label}>
      {bars.map((bar) => (
        <li key={bar.name} class={bar.level} title={bar.title}>
          {bar.href ? <a href={bar.href}>{bar.name}</a> : <span>{bar.name}</span>}
          <span class="bars-lane"><i style={placeOf(bar.value / end, signed)} /></span>
          <b>{bar.text}</b>
        </li>
      ))}
    </ul>
  );
}

/** Where a bar begins and how wide it is, in per cent of its lane; `share` is -1 to 1. */
export function placeOf(share: number, signed: boolean): { left: string; width: string } {
  const part = Math.min(1, Math.abs(Number.isFinite(share) ? share : 0)) * (signed ? 50 : 100);
  const left = !signed ? 0 : share < 0 ? 50 - part : 50;
  return { left: `${left}%`, width: `${part}%` };
}
