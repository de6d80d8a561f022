/** The choice of a stretch of time. */

import type { Signal } from "@preact/signals";
import type { JSX } from "preact";

import { RANGES } from "../state/ranges";

export function RangeChoice({ chosen }: { chosen: Signal<number> }): JSX.Element {
  return (
    <span class="choices" role="group" aria-label="Time shown">
      {RANGES.map(([seconds, text]) => (
        <button key={seconds} type="button" class="button" aria-pressed={chosen.value === seconds} onClick={() => (chosen.value = seconds)}>
          {text}
        </button>
      ))}
    </span>
  );
}
