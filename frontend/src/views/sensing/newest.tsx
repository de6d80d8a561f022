/** Amplitude and phase of the newest frame, by subcarrier; those that carry nothing are left blank. */

import type { JSX } from "preact";

import { rows, frame, glance } from "../../state/sensing";
import { Canvas, type Surface } from "../../ui/canvas";

const HEIGHT = 150;
const LEFT = 34;
const BOTTOM = 18;
const TOP = 8;
const BEHIND = 40;

export function Newest({ name }: { name: string }): JSX.Element {
  const top = glance.value?.top ?? [];
  const version = (): string => `${name} ${frame.version} ${top.join()}`;
  return (
    <div class="newest">
      <section class="card" aria-label="Amplitude">
        <header><h3>Amplitude</h3><span class="muted">newest frame, and its range over 2 s</span></header>
        <Canvas label="Amplitude by subcarrier of the newest frame" height={HEIGHT} version={version} draw={(on) => drawAmplitude(on, top)} />
      </section>
      <section class="card" aria-label="Phase">
        <header><h3>Phase</h3><span class="muted">without common offset and slope</span></header>
        <Canvas label="Corrected phase by subcarrier of the newest frame, in rad" height={HEIGHT} version={version} draw={drawPhase} />
      </section>
    </div>
  );
}

interface Axes {
  x: (bin: number) => number;
  y: (value: number) => number;
}

function drawAmplitude(on: Surface, top: readonly number[]): void {
  const { context, colour } = on;
  const values = frame.amplitudes;
  const [lows, highs] = rangeOf(values.length);
  const most = Math.max(1.5, ...[...highs].map((value) => value / 100)) * 1.08;
  const axes = axesOf(on, values.length, 0, most);
  grid(on, axes, [0, 0.5, 1, 1.5, 2, 2.5].filter((value) => value < most), values.length);
  context.fillStyle = colour("--accent-soft");
  for (const [from, to] of runs(values)) {
    context.beginPath();
    for (let bin = from; bin < to; bin += 1) context.lineTo(axes.x(bin), axes.y((highs[bin] ?? 0) / 100));
    for (let bin = to - 1; bin >= from; bin -= 1) context.lineTo(axes.x(bin), axes.y((lows[bin] ?? 0) / 100));
    context.fill();
  }
  context.strokeStyle = colour("--accent");
  context.lineWidth = 1.5;
  for (const [from, to] of runs(values)) {
    context.beginPath();
    for (let bin = from; bin < to; bin += 1) context.lineTo(axes.x(bin), axes.y((values[bin] ?? 0) / 100));
    context.stroke();
  }
  context.fillStyle = colour("--ok");
  for (const bin of top) context.fillRect(axes.x(bin) - 1.5, on.height - BOTTOM + 1, 3, 4);
}

function drawPhase(on: Surface): void {
  const { context, colour } = on;
  const { phases, amplitudes } = frame;
  const used = phases.filter((_, bin) => (amplitudes[bin] ?? 0) > 0);
  const highest = used.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const most = [0.5, 1, 2, Math.PI].find((limit) => highest <= limit) ?? Math.PI;
  const axes = axesOf(on, phases.length, -most, most);
  grid(on, axes, [-most, -most / 2, 0, most / 2, most], phases.length);
  context.fillStyle = colour("--accent");
  phases.forEach((phase, bin) => {
    if ((amplitudes[bin] ?? 0) === 0) return;
    context.beginPath();
    context.arc(axes.x(bin), axes.y(phase), 1.8, 0, 7);
    context.fill();
  });
}

function axesOf(on: Surface, bins: number, low: number, high: number): Axes {
  const [width, height] = [on.width - LEFT - 6, on.height - TOP - BOTTOM];
  return {
    x: (bin) => LEFT + ((bin + 0.5) / Math.max(bins, 1)) * width,
    y: (value) => TOP + (1 - (value - low) / (high - low)) * height,
  };
}

function grid(on: Surface, axes: Axes, levels: number[], bins: number): void {
  const { context, colour } = on;
  context.font = `10px ${getComputedStyle(context.canvas).fontFamily}`;
  context.fillStyle = colour("--faint");
  context.strokeStyle = colour("--line");
  context.lineWidth = 1;
  context.textAlign = "right";
  for (const level of levels) {
    const y = Math.round(axes.y(level)) + 0.5;
    context.beginPath();
    context.moveTo(LEFT, y);
    context.lineTo(on.width - 4, y);
    context.stroke();
    context.fillText(short(level), LEFT - 6, y + 3);
  }
  context.textAlign = "center";
  const step = bins > 128 ? 32 : 16;
  for (let bin = 0; bin < bins; bin += step) context.fillText(String(bin), axes.x(bin), on.height - 3);
}

function short(value: number): string {
  return String(+value.toFixed(2)).replace("-", "−");
}

/** Lowest and highest level of each subcarrier over the last columns. */
function rangeOf(bins: number): [Uint8Array, Uint8Array] {
  const [lows, highs] = [new Uint8Array(bins).fill(255), new Uint8Array(bins)];
  for (let number = Math.max(rows.first, rows.count - BEHIND); number < rows.count; number += 1) {
    const levels = rows.column(number, "level");
    for (let bin = 0; bin < bins; bin += 1) {
      const level = levels[bin] ?? 0;
      if (level === 0) continue;
      lows[bin] = Math.min(lows[bin] ?? 255, level);
      highs[bin] = Math.max(highs[bin] ?? 0, level);
    }
  }
  return [lows, highs];
}

/** From and to of each run of subcarriers that carry something. */
export function runs(values: Uint8Array): [number, number][] {
  const found: [number, number][] = [];
  let from = -1;
  for (let bin = 0; bin <= values.length; bin += 1) {
    const carries = (values[bin] ?? 0) > 0;
    if (carries && from < 0) from = bin;
    if (!carries && from >= 0) {
      found.push([from, bin]);
      from = -1;
    }
  }
  return found;
}
