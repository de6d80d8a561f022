/** A chart of several lines over time, on uPlot: legend with the values under the cursor, gaps, marks. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { isEmpty, timesOf } from "../state/climate";
import type { ChartData } from "../state/climate-types";
import { moment } from "../state/ranges";
import { theme } from "../state/theme";

export interface Mark {
  time: number;
  value: number;
}

export interface PlotProps {
  label: string;
  chart: ChartData;
  format: (value: number | null | undefined) => string;
  /** Lines to draw, by label; all without it. */
  only?: readonly string[];
  /** Labels of a lower and an upper line, between which is filled. */
  band?: readonly [string, string];
  /** What lines are called. */
  names?: Record<string, string>;
  /** Least and most of the scale; from the values without it. */
  range?: readonly [number, number];
  height?: number;
  stepped?: boolean;
  filled?: boolean;
  marks?: readonly Mark[];
  markName?: string;
  /** Charts of the same group move their cursors together. */
  group?: string;
}

/** Steps without a value that a line goes on over, at least. */
const BRIDGED = 6;
/** Known values that are too few for a line, and are drawn as points. */
const FEW = 3;
const COLOURS = 8;
const HEIGHT = 150;

export function Plot(props: PlotProps): JSX.Element {
  const { chart, format } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const marks = useRef<readonly Mark[]>([]);
  const [at, setAt] = useState<number | null>(null);
  marks.current = props.marks ?? [];
  const lines = shownLines(props);
  const key = lines.map((line) => line.label).join("\n");
  const shade = theme.value;
  const bare = isEmpty({ ...chart, lines: chart.lines.filter((line) => key.split("\n").includes(line.label)) }) && marks.current.length === 0;
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const own = new uPlot(optionsOf(element, props, lines, marks, setAt), dataOf(chart, lines), element);
    plot.current = own;
    const watcher = new ResizeObserver(() => own.setSize({ width: element.clientWidth, height: props.height ?? HEIGHT }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      own.destroy();
      plot.current = null;
    };
    // The colours and the gap that is bridged are read once: another theme or step is another plot.
  }, [key, shade, chart.step]);
  useEffect(() => {
    plot.current?.setData(dataOf(chart, lines));
  }, [chart]);
  const text = lines.map((line) => props.names?.[line.label] ?? line.label).join(", ");
  return (
    <div class="plot-box">
      <p class="plot-legend">
        {lines.filter((line) => !props.band?.includes(line.label)).map((line) => (
          <span key={line.label}>
            <i style={{ background: `var(--c${line.colour})` }} />
            {props.names?.[line.label] ?? line.label}
            <b>{format(at === null ? lastOf(line.values) : line.values[at])}</b>
          </span>
        ))}
        {props.markName && marks.current.length > 0 && <span><i class="plot-mark" />{props.markName}</span>}
        {at !== null && <time>{moment(chart.since + at * chart.step, Math.max(chart.step * 400, 86_401))}</time>}
      </p>
      <div class="plot" ref={box} role="img" aria-label={`${props.label}: ${text}`} style={{ height: `${props.height ?? HEIGHT}px` }} />
      {bare && <p class="plot-bare muted">Nothing in this time</p>}
    </div>
  );
}

interface Shown {
  label: string;
  values: (number | null)[];
  colour: number;
}

function shownLines({ chart, only, band }: PlotProps): Shown[] {
  const wanted = only && [...only, ...(band ?? [])];
  const lines = wanted ? wanted.map((label) => chart.lines.find((line) => line.label === label)).filter((line) => line !== undefined) : chart.lines;
  return lines.map((line, index) => ({ ...line, colour: (index % COLOURS) + 1 }));
}

/** The newest value that is known. */
export function lastOf(values: readonly (number | null)[]): number | null {
  for (let at = values.length - 1; at >= 0; at -= 1) {
    const value = values[at];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

function dataOf(chart: ChartData, lines: readonly Shown[]): uPlot.AlignedData {
  return [timesOf(chart), ...lines.map((line) => line.values)];
}

function optionsOf(element: HTMLElement, props: PlotProps, lines: readonly Shown[], marks: { current: readonly Mark[] }, onMove: (at: number | null) => void): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const stretch = props.chart.step * (props.chart.lines[0]?.values.length ?? 1);
  const axis = { stroke: colour("--faint"), font: `10px ${style.fontFamily}`, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const { range, band } = props;
  const stepped = props.stepped ? uPlot.paths.stepped?.({ align: 1 }) : undefined;
  return {
    width: element.clientWidth,
    height: props.height ?? HEIGHT,
    padding: [8, 6, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 }, ...(props.group ? { sync: { key: props.group } } : {}) },
    scales: { x: { time: true }, y: range ? { range: [range[0], range[1]] } : { range: (_plot, least, most) => spread(least, most) } },
    axes: [
      { ...axis, size: 22, gap: 6, space: 70, values: (_plot, times) => times.map((time) => moment(time, stretch)) },
      { ...axis, size: 46, gap: 4, space: 28, values: (_plot, values) => values.map((value) => props.format(value)) },
    ],
    series: [
      {},
      ...lines.map((line) => {
        const isBand = band?.includes(line.label) ?? false;
        return {
          label: line.label,
          stroke: isBand ? "transparent" : colour(`--c${line.colour}`),
          width: 1.5,
          points: { show: (plot: uPlot, index: number) => !isBand && fewOf(plot.data[index] ?? []), size: 5, fill: colour(`--c${line.colour}`) },
          spanGaps: false,
          gaps: longGaps(props.chart.step),
          ...(stepped ? { paths: stepped } : {}),
          ...(props.filled && !isBand ? { fill: `color-mix(in srgb, ${colour(`--c${line.colour}`)} 12%, transparent)` } : {}),
        };
      }),
    ],
    ...(band ? { bands: [{ series: [lines.findIndex((line) => line.label === band[1]) + 1, lines.findIndex((line) => line.label === band[0]) + 1] as [number, number], fill: colour("--band") }] } : {}),
    hooks: {
      setCursor: [(plot) => onMove(plot.cursor.idx ?? null)],
      draw: [(plot) => drawMarks(plot, marks.current, colour("--warn"))],
    },
  };
}

/** Keeps only gaps longer than what is bridged; gaps are in pixels of the canvas. */
function longGaps(step: number): uPlot.Series.GapsRefiner {
  return (plot, index, _from, _to, gaps) => {
    const { min = 0, max = 1 } = plot.scales["x"] ?? {};
    const pixels = (plot.bbox.width * step * bridged(plot.data[index] ?? [])) / Math.max(1, (max ?? 1) - (min ?? 0));
    return gaps.filter(([from, to]) => to - from > pixels);
  };
}

/** Steps that a line goes on over: three times what usually lies between two values, which may be rarer than steps. */
export function bridged(values: ArrayLike<number | null | undefined>): number {
  const apart: number[] = [];
  let before = -1;
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] === null || values[at] === undefined) continue;
    if (before >= 0) apart.push(at - before);
    before = at;
  }
  apart.sort((a, b) => a - b);
  return Math.max(BRIDGED, 3 * (apart[Math.floor(apart.length / 2)] ?? 0));
}

function fewOf(values: ArrayLike<number | null | undefined>): boolean {
  let known = 0;
  for (let at = 0; at < values.length && known <= FEW; at += 1) known += values[at] === null || values[at] === undefined ? 0 : 1;
  return known <= FEW;
}

/** A scale with some air around the values. */
export function spread(least: number | null, most: number | null): [number, number] {
  if (least === null || most === null || (least === 0 && most === 0)) return [0, 1];
  const air = Math.max((most - least) * 0.12, Math.abs(most) * 0.005, 0.05);
  return [least >= 0 && least - air < 0 ? 0 : least - air, most + air];
}

function drawMarks(plot: uPlot, marks: readonly Mark[], colour: string): void {
  const { ctx: context, bbox } = plot;
  context.save();
  context.fillStyle = colour;
  for (const mark of marks) {
    const x = plot.valToPos(mark.time, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    context.beginPath();
    context.arc(x, plot.valToPos(mark.value, "y", true), 4 * devicePixelRatio, 0, 7);
    context.fill();
  }
  context.restore();
}
