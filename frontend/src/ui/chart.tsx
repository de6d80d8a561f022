/** A small line chart over the last minutes, on uPlot. */

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { clock } from "../state/format";
import type { Series } from "../state/history";
import { theme } from "../state/theme";

export interface Line {
  /** Index of the figure in the series. */
  figure: number;
  label: string;
  tone: "accent" | "faint";
}

interface Props {
  series: Series;
  lines: Line[];
  /** Changes when the series got a sample. */
  version: number;
  format: (value: number) => string;
}

const HEIGHT = 96;

export function Chart({ series, lines, version, format }: Props): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shade = theme.value;
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const own = new uPlot(optionsOf(element, lines, format), dataOf(series, lines), element);
    plot.current = own;
    const watcher = new ResizeObserver(() => own.setSize({ width: element.clientWidth, height: HEIGHT }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      own.destroy();
      plot.current = null;
    };
    // The colours are read once, so a new theme means a new plot.
  }, [series, shade]);
  useEffect(() => {
    plot.current?.setData(dataOf(series, lines));
  }, [version]);
  return <div class="chart" ref={box} role="img" aria-label={`${lines.map((line) => line.label).join(" and ")} over the last minutes`} />;
}

function dataOf(series: Series, lines: readonly Line[]): uPlot.AlignedData {
  return [series.times, ...lines.map((line) => series.values[line.figure] ?? [])];
}

function optionsOf(element: HTMLElement, lines: readonly Line[], format: (value: number) => string): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--faint"),
    font: `10px ${style.fontFamily}`,
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [6, 4, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.15 : 1] } },
    axes: [
      { ...axis, size: 18, gap: 2, space: 80, incrs: [5, 10, 15, 30, 60, 120, 300], values: (_plot, times) => times.map((time) => clock(time)) },
      { ...axis, size: 50, gap: 4, space: 26, values: (_plot, values) => values.map((value) => (value === 0 ? "" : format(value))) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: colour(line.tone === "accent" ? "--accent" : "--faint"),
        width: 1.5,
        points: { show: false },
        ...(line.tone === "accent" ? { fill: colour("--accent-soft") } : { dash: [3, 3] }),
      })),
    ],
  };
}
