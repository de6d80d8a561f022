/** Pictures of how right a model is: promise and truth, how sure it was, features beside positions. */

import type { JSX } from "preact";

import { percent } from "../../state/climate";
import type { Reliability } from "../../state/climate-types";
import { count, plural } from "../../state/format";
import { Canvas, type Surface } from "../../ui/canvas";

const SIDE = 200;
const WIDE = 300;
const EDGE = 26;
const RIGHT = 18;

/** Share that was right beside confidence; the larger a point, the more decisions. */
export function ReliabilityPlot({ of }: { of: Reliability }): JSX.Element {
  const most = Math.max(...of.counts, 1);
  const x = (share: number): number => EDGE + share * (WIDE - EDGE - RIGHT);
  const y = (share: number): number => SIDE - 20 - share * (SIDE - 30);
  const total = of.counts.reduce((sum, each) => sum + each, 0);
  return (
    <figure class="judgement">
      <svg viewBox={`0 0 ${WIDE} ${SIDE}`} role="img" aria-label={`Promised and kept, by ${plural(total, "decision")} whose outcome is known`}>
        {[0, 0.5, 1].map((share) => (
          <g key={share}>
            <path class="grid" d={`M${x(0)} ${y(share)}H${x(1)}M${x(share)} ${y(0)}V${y(1)}`} />
            <text x={x(share)} y={SIDE - 6} text-anchor="middle">{percent(share)}</text>
            <text x={EDGE - 4} y={y(share) + 3} text-anchor="end">{100 * share}</text>
          </g>
        ))}
        <path class="ideal" d={`M${x(0)} ${y(0)}L${x(1)} ${y(1)}`} />
        <polyline class="kept" points={of.promised.map((said, at) => `${x(said)},${y(of.kept[at] ?? 0)}`).join(" ")} />
        {of.promised.map((said, at) => (
          <circle key={said} cx={x(said)} cy={y(of.kept[at] ?? 0)} r={2.5 + 5 * Math.sqrt((of.counts[at] ?? 0) / most)}>
            <title>{`${percent(said)} promised, ${percent(of.kept[at])} kept, ${plural(of.counts[at] ?? 0, "decision")}`}</title>
          </circle>
        ))}
      </svg>
      <figcaption class="muted">
        {total === 0 ? "No decision is old enough to be judged." : `Right within ten points beside confidence: ${plural(total, "decision")} that people changed, or left alone for ten minutes; none that a rule limited.`}
      </figcaption>
    </figure>
  );
}

/** Decisions by confidence, in equal steps. */
export function Histogram({ counts }: { counts: readonly number[] }): JSX.Element {
  const most = Math.max(...counts, 1);
  const wide = (WIDE - EDGE - RIGHT) / Math.max(counts.length, 1);
  const tall = SIDE - 30;
  return (
    <figure class="judgement">
      <svg viewBox={`0 0 ${WIDE} ${SIDE}`} role="img" aria-label="Decisions by confidence">
        {counts.map((each, at) => (
          <rect key={at} x={EDGE + at * wide + 0.5} width={Math.max(1, wide - 1)} y={SIDE - 20 - (each / most) * tall} height={(each / most) * tall} rx={1.5}>
            <title>{`${percent(at / counts.length)} to ${percent((at + 1) / counts.length)}: ${plural(each, "decision")}`}</title>
          </rect>
        ))}
        <path class="grid" d={`M${EDGE} ${SIDE - 20}H${WIDE - RIGHT}`} />
        {[0, 0.5, 1].map((share) => <text key={share} x={EDGE + share * (WIDE - EDGE - RIGHT)} y={SIDE - 6} text-anchor="middle">{percent(share)}</text>)}
        <text x={EDGE - 4} y={14} text-anchor="end">{count(most)}</text>
      </svg>
    </figure>
  );
}

const SCATTER_HEIGHT = 140;

/** A feature from left to right, the position (0 to 100) from below. */
export function Scatter({ label, points }: { label: string; points: readonly (readonly (number | null)[])[] }): JSX.Element {
  const known = points.filter((point): point is readonly [number, number] => point[0] !== null && point[1] !== null);
  const version = `${known.length} ${known[0]?.join(" ") ?? ""} ${known.at(-1)?.join(" ") ?? ""}`;
  return <Canvas label={`${label}: ${plural(known.length, "decision")}`} height={SCATTER_HEIGHT} version={() => version} draw={(on) => drawScatter(on, known)} />;
}

function drawScatter(on: Surface, points: readonly (readonly [number, number])[]): void {
  const { context, colour, width, height } = on;
  const [least, most] = [Math.min(...points.map(([value]) => value)), Math.max(...points.map(([value]) => value))];
  const x = (value: number): number => EDGE + ((value - least) / Math.max(most - least, 1e-9)) * (width - EDGE - 8);
  const y = (position: number): number => height - 16 - (position / 100) * (height - 26);
  context.font = `10px ${getComputedStyle(context.canvas).fontFamily}`;
  context.strokeStyle = colour("--line");
  context.fillStyle = colour("--faint");
  for (const position of [0, 50, 100]) {
    context.beginPath();
    context.moveTo(EDGE, Math.round(y(position)) + 0.5);
    context.lineTo(width - 8, Math.round(y(position)) + 0.5);
    context.stroke();
    context.textAlign = "right";
    context.fillText(String(position), EDGE - 4, y(position) + 3);
  }
  if (points.length === 0) return;
  context.textAlign = "left";
  context.fillText(least.toFixed(1).replace("-", "−"), EDGE, height - 3);
  context.textAlign = "right";
  context.fillText(most.toFixed(1).replace("-", "−"), width - 8, height - 3);
  context.fillStyle = colour("--accent");
  context.globalAlpha = 0.45;
  for (const [value, position] of points) {
    context.beginPath();
    context.arc(x(value), y(position), 2, 0, 7);
    context.fill();
  }
  context.globalAlpha = 1;
}
