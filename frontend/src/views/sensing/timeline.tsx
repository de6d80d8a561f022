/** Five minutes of motion beside its threshold, with presence below and events on top. */

import type { JSX } from "preact";

import { clock } from "../../state/format";
import { events, updates } from "../../state/sensing";
import type { SensingEvent, VitalsUpdate } from "../../state/sensing-types";
import { Canvas, type Surface } from "../../ui/canvas";

export const SHOWN_SECONDS = 300;
const HEIGHT = 170;
const LEFT = 40;
const TOP = 16;
const BAND = 12;
const BOTTOM = 18;

export function Timeline({ name }: { name: string }): JSX.Element {
  const [said, happened] = [updates.value, events.value.filter((event) => event.name === name)];
  const newest = said[said.length - 1];
  const version = `${newest?.number ?? 0} ${said.length} ${happened.length}`;
  const share = presenceShare(said);
  return (
    <section class="card" aria-label="Timeline">
      <header>
        <h3>Motion and presence</h3>
        <span class="key"><i class="motion" />motion</span>
        <span class="key"><i class="threshold" />threshold</span>
        <span class="key"><i class="present" />present</span>
        <span class="muted timeline-share">{share === null ? "" : `present ${Math.round(100 * share)} % of ${spanOf(said)}`}</span>
      </header>
      <Canvas label={`Motion and presence of the last five minutes; ${share === null ? "nothing yet" : `somebody there ${Math.round(100 * share)} percent of the time`}`} height={HEIGHT} version={() => version} draw={(on) => drawTimeline(on, said, happened)} />
    </section>
  );
}

/** Part of the updates in which somebody was there; null without updates. */
export function presenceShare(said: readonly VitalsUpdate[]): number | null {
  return said.length === 0 ? null : said.filter((each) => each.presence).length / said.length;
}

function spanOf(said: readonly VitalsUpdate[]): string {
  const seconds = (said[said.length - 1]?.time ?? 0) - (said[0]?.time ?? 0);
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

function drawTimeline(on: Surface, said: readonly VitalsUpdate[], happened: readonly SensingEvent[]): void {
  const { context, colour, width, height } = on;
  const now = said[said.length - 1]?.time ?? 0;
  const most = highest(said);
  const floor = height - BOTTOM - BAND - 6;
  const x = (time: number): number => LEFT + (1 - (now - time) / SHOWN_SECONDS) * (width - LEFT - 6);
  const y = (motion: number): number => TOP + (1 - placeOf(motion, most)) * (floor - TOP);
  frame(on, floor, now, x, most);
  if (said.length === 0) return;
  const shown = said.filter((each) => each.time > now - SHOWN_SECONDS);
  context.fillStyle = colour("--ok");
  for (const each of shown) if (each.presence) context.fillRect(x(each.time - 1.2), height - BOTTOM - BAND, x(each.time) - x(each.time - 1.2), BAND);
  for (const part of parts(shown)) {
    context.beginPath();
    context.moveTo(x(part[0]?.time ?? 0), floor);
    for (const each of part) context.lineTo(x(each.time), y(each.motion));
    context.lineTo(x(part[part.length - 1]?.time ?? 0), floor);
    context.fillStyle = colour("--accent-soft");
    context.fill();
    line(on, part.map((each) => [x(each.time), y(each.motion)]), colour("--accent"), []);
    const known = part.filter((each) => each.threshold !== null);
    line(on, known.map((each) => [x(each.time), y(each.threshold ?? 0)]), colour("--warn"), [4, 3]);
  }
  marks(on, happened.filter((event) => event.time > now - SHOWN_SECONDS && event.kind !== "presence"), x, floor);
}

/** Runs of updates without a gap of more than three seconds. */
export function parts(said: readonly VitalsUpdate[]): VitalsUpdate[][] {
  const found: VitalsUpdate[][] = [];
  let before = -Infinity;
  for (const each of said) {
    if (each.time - before > 3) found.push([]);
    found[found.length - 1]?.push(each);
    before = each.time;
  }
  return found;
}

/** Height of a score, 0 to 1: by its root, so that the threshold is seen beside somebody who walks. */
export function placeOf(motion: number, most: number): number {
  return Math.sqrt(Math.min(Math.max(motion / most, 0), 1));
}

function highest(said: readonly VitalsUpdate[]): number {
  const limit = said[said.length - 1]?.threshold ?? 0;
  return Math.max(limit * 2, ...said.map((each) => each.motion * 1.1), 0.1);
}

function frame(on: Surface, floor: number, now: number, x: (time: number) => number, most: number): void {
  const { context, colour, width, height } = on;
  context.font = `10px ${getComputedStyle(context.canvas).fontFamily}`;
  context.fillStyle = colour("--faint");
  context.strokeStyle = colour("--line");
  context.lineWidth = 1;
  context.textAlign = "right";
  for (const part of [0, 0.25, 1]) {
    const y = Math.round(floor - placeOf(part, 1) * (floor - TOP)) + 0.5;
    context.beginPath();
    context.moveTo(LEFT, y);
    context.lineTo(width - 6, y);
    context.stroke();
    context.fillText((part * most).toFixed(2), LEFT - 6, y + 3);
  }
  context.fillStyle = colour("--sunken");
  context.fillRect(LEFT, height - BOTTOM - BAND, width - LEFT - 6, BAND);
  context.fillStyle = colour("--faint");
  if (now === 0) return;
  context.textAlign = "center";
  const step = width < 500 ? 120 : 60;
  for (let time = Math.ceil((now - SHOWN_SECONDS) / step) * step; time <= now; time += step) {
    const at = x(time);
    if (at > LEFT + 22 && at < width - 26) context.fillText(clock(time), at, height - 4);
  }
}

function line(on: Surface, points: number[][], stroke: string, dash: number[]): void {
  const { context } = on;
  context.beginPath();
  for (const [x = 0, y = 0] of points) context.lineTo(x, y);
  context.strokeStyle = stroke;
  context.lineWidth = 1.5;
  context.setLineDash(dash);
  context.stroke();
  context.setLineDash([]);
}

function marks(on: Surface, happened: readonly SensingEvent[], x: (time: number) => number, floor: number): void {
  const { context, colour } = on;
  for (const event of happened) {
    const at = Math.round(x(event.time)) + 0.5;
    const bad = event.kind === "fall" || event.kind === "apnea";
    context.strokeStyle = context.fillStyle = colour(bad ? "--bad" : "--faint");
    context.beginPath();
    context.moveTo(at, TOP - 6);
    context.lineTo(at, bad ? floor : TOP + 4);
    context.stroke();
    context.beginPath();
    context.arc(at, TOP - 8, bad ? 4 : 2.5, 0, 7);
    context.fill();
  }
}
