/** Ten minutes of activity as stacked bars. */

import type { JSX } from "preact";

import { bars, KINDS } from "../../state/activity";
import { clock, count } from "../../state/format";
import type { Activity } from "../../state/types";

export const STRIP_SECONDS = 600;
const SLICES = 60;
const HEIGHT = 100;

export function Strip({ entries, now }: { entries: readonly Activity[]; now: number }): JSX.Element {
  const slices = bars(entries, now, STRIP_SECONDS, SLICES);
  const totals = slices.map((slice) => KINDS.reduce((sum, kind) => sum + slice[kind], 0));
  const highest = Math.max(4, ...totals);
  const all = totals.reduce((sum, value) => sum + value, 0);
  return (
    <figure class="strip">
      <svg viewBox={`0 0 ${SLICES * 10} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`${all === 1 ? "1 entry" : `${count(all)} entries`} in ten minutes, ${Math.max(...totals)} at most in ten seconds`}>
        {slices.map((slice, index) => {
          let top = HEIGHT;
          return KINDS.map((kind) => {
            const height = (slice[kind] / highest) * HEIGHT;
            top -= height;
            return height > 0 ? <rect key={`${index}${kind}`} class={kind} x={index * 10 + 1} y={top} width={8} height={height} /> : null;
          });
        })}
      </svg>
      <figcaption><span>{clock(now - STRIP_SECONDS)}</span><span>{clock(now)}</span></figcaption>
    </figure>
  );
}
