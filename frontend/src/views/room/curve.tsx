/** A curve over the last minutes: lines, dashed where they are a forecast, and when somebody was there. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { clock, figure } from "../../state/format";

export interface Line {
  label: string;
  times: readonly number[];
  values: readonly (number | null)[];
  tone: "accent" | "ahead" | "told";
}

interface Props {
  title: string;
  unit: string;
  /** What it is now: the curve may be a moment behind. */
  value: number | null;
  lines: readonly Line[];
  /** When somebody was there: above 0. */
  there?: Line;
  now: number;
  /** Least width of the scale, in the unit. */
  span: number;
  digits: number;
  limits?: readonly [number, number];
  note?: string;
}

const HEIGHT = 132;
const LEFT = 34;
const RIGHT = 6;
const BOTTOM = 18;
const TOP = 8;
const PAST = 300;
const AHEAD = 45;
const GAP = 8;

export function Curve(props: Props): JSX.Element {
  const [box, width] = useWidth();
  const { lines, there, now } = props;
  const ahead = lines.some((line) => line.tone !== "accent") ? AHEAD : 0;
  const first = Math.max(now - PAST, Math.min(...lines.map((line) => line.times[0] ?? now)));
  const from = Math.min(first, now - 60);
  const [low, high] = props.limits ?? rangeOf(lines, from, props.span);
  const x = (time: number): number => LEFT + ((time - from) / (now + ahead - from)) * (width - LEFT - RIGHT);
  const y = (value: number): number => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  return (
    <section class="card smart-curve" aria-label={props.title}>
      <header>
        <h3>{props.title}</h3>
        <Keys lines={lines} there={there} />
        <b>{props.value === null ? "–" : `${figure(props.value, props.digits)} ${props.unit}`}</b>
      </header>
      <div ref={box}>
        <svg width={width} height={HEIGHT} role="img" aria-label={`${props.title} over the last minutes`}>
          {there && stretches(there, now).map(([begin, end]) => end > from && <rect key={begin} class="there" x={x(Math.max(begin, from))} y={TOP} width={Math.max(1, x(end) - x(Math.max(begin, from)))} height={HEIGHT - TOP - BOTTOM} />)}
          {[low, (low + high) / 2, high].map((value) => (
            <g key={value}>
              <line class="rule" x1={LEFT} x2={width - RIGHT} y1={y(value)} y2={y(value)} />
              <text x={LEFT - 5} y={y(value) + 3} text-anchor="end">{figure(value, high - low < 3 ? 1 : 0)}</text>
            </g>
          ))}
          {ticks(from, now + ahead, width).map((time) => (
            <text key={time} x={x(time)} y={HEIGHT - 5} text-anchor="middle">{clock(time).slice(0, 8)}</text>
          ))}
          {ahead > 0 && <line class="now" x1={x(now)} x2={x(now)} y1={TOP} y2={HEIGHT - BOTTOM} />}
          {lines.map((line) => pieces(line, from).map((piece) => <polyline key={`${line.label}${piece[0]?.[0] ?? 0}`} class={line.tone} points={piece.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join(" ")} />))}
        </svg>
      </div>
      {props.note && <p class="muted">{props.note}</p>}
    </section>
  );
}

function Keys({ lines, there }: { lines: readonly Line[]; there: Line | undefined }): JSX.Element | null {
  if (lines.length < 2 && !there) return null;
  return (
    <span class="smart-keys">
      {lines.length > 1 && lines.map((line) => <span key={line.label} class="key"><i class={line.tone} />{line.label}</span>)}
      {there && <span class="key"><i class="present" />{there.label}</span>}
    </span>
  );
}

/** Parts of a line without a gap. */
export function pieces(line: Line, from: number): [number, number][][] {
  const found: [number, number][][] = [];
  let before = -Infinity;
  line.times.forEach((time, index) => {
    const value = line.values[index] ?? null;
    if (value === null || time < from) return;
    const last = found[found.length - 1];
    if (last && time - before <= GAP) last.push([time, value]);
    else found.push([[time, value]]);
    before = time;
  });
  return found;
}

/** From when to when a line was above 0. */
export function stretches(line: Line, now: number): [number, number][] {
  const found: [number, number][] = [];
  line.times.forEach((time, index) => {
    if ((line.values[index] ?? 0) <= 0) return;
    const end = Math.min(line.times[index + 1] ?? now, time + GAP);
    const last = found[found.length - 1];
    if (last && time - last[1] < 0.5) last[1] = end;
    else found.push([time, end]);
  });
  return found;
}

/** A scale that holds all values, and is at least so wide. */
export function rangeOf(lines: readonly Line[], from: number, span: number): [number, number] {
  const values = lines.flatMap((line) => line.values.filter((value, index): value is number => value !== null && (line.times[index] ?? 0) >= from));
  if (values.length === 0) return [0, span];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const missing = Math.max(0, span - (high - low)) / 2 + (high - low) * 0.06;
  return [low - missing, high + missing];
}

function ticks(from: number, until: number, width: number): number[] {
  const step = [15, 30, 60, 120].find((each) => ((until - from) / each) * 66 < width - LEFT) ?? 120;
  const found: number[] = [];
  for (let time = Math.ceil((from + 8) / step) * step; time < until - 6; time += step) found.push(time);
  return found;
}

function useWidth(): [{ current: HTMLDivElement | null }, number] {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(320);
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const watcher = new ResizeObserver(() => setWidth(Math.max(200, element.clientWidth)));
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  return [box, width];
}
