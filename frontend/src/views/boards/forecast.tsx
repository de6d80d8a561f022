/** The last input of a board and what it made of it: the past as lines per feature, the forecast behind it. */

import type { JSX } from "preact";

const WIDTH = 480;
const HEIGHT = 120;
const PAD = 8;
const LABEL = 34;

interface Scale {
  x: (step: number) => number;
  y: (value: number) => number;
  low: number;
  high: number;
}

export function Forecast({ input, forecast }: { input: number[][]; forecast: number[] }): JSX.Element | null {
  if (input.length === 0 || forecast.length === 0) return null;
  const steps = input.length;
  const scale = scaleOf(input, forecast);
  const features = input[0]?.length ?? 0;
  const now = scale.x(steps - 1);
  return (
    <figure class="forecast">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`Input of ${steps} steps, forecast of ${forecast.length} values`}>
        <text x={LABEL - 6} y={scale.y(scale.high) + 3} text-anchor="end">{short(scale.high)}</text>
        <text x={LABEL - 6} y={scale.y(scale.low) + 3} text-anchor="end">{short(scale.low)}</text>
        <line class="now" x1={now} x2={now} y1={PAD} y2={HEIGHT - PAD} />
        {Array.from({ length: features }, (_, feature) => (
          <polyline key={feature} class={feature === 0 ? "past first" : "past"} points={line(input.map((row) => row[feature] ?? 0), 0, scale)} />
        ))}
        <polyline class="ahead" points={line(forecast, steps, scale)} />
        {forecast.map((value, step) => <circle key={step} cx={scale.x(steps + step)} cy={scale.y(value)} r="2" />)}
      </svg>
      <figcaption>Last input ({steps} steps, {features} {features === 1 ? "feature" : "features"}) and its forecast ({forecast.length})</figcaption>
    </figure>
  );
}

export function scaleOf(input: number[][], forecast: number[]): Scale {
  const values = [...input.flat(), ...forecast].filter(Number.isFinite);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const span = high - low || 1;
  const last = input.length + forecast.length - 1 || 1;
  return {
    low,
    high,
    x: (step) => LABEL + (step / last) * (WIDTH - LABEL - PAD),
    y: (value) => HEIGHT - PAD - ((value - low) / span) * (HEIGHT - 2 * PAD),
  };
}

function line(values: number[], from: number, scale: Scale): string {
  return values.map((value, step) => `${scale.x(from + step).toFixed(1)},${scale.y(value).toFixed(1)}`).join(" ");
}

function short(value: number): string {
  return Math.abs(value) >= 1000 ? value.toExponential(0) : value.toPrecision(2).replace(/\.0$/, "");
}
