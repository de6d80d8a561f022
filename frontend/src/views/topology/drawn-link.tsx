/** A link of the drawing: its curve, and the label that says what travels along it. */

import type { JSX } from "preact";

import { curve, type Direction, toXY } from "../../graph/curve";
import type { Point } from "../../graph/layout";
import { count, millis, rate } from "../../state/format";
import type { GraphLink, LinkStatus } from "../../state/types";
import { memo } from "../../ui/memo";
import type { Box } from "./drawing";
import { fit, selectable } from "./select";

interface CurveProps {
  points: readonly Point[];
  direction: Direction;
  rate: number;
  qos: string;
  selected: boolean;
}

/** Stroke width for a rate: grows with its logarithm. */
export function strokeWidth(framesPerSecond: number): number {
  if (framesPerSecond <= 0) return 1.2;
  return Math.min(5, 1.4 + Math.log10(1 + framesPerSecond) * 0.9);
}

/** Class of the pace at which dots move along a link. */
function pace(framesPerSecond: number): string {
  if (framesPerSecond <= 0) return "idle";
  if (framesPerSecond < 5) return "slow";
  return framesPerSecond < 20 ? "medium" : "fast";
}

export function DrawnLink(props: CurveProps): JSX.Element {
  // Rounded, so that a rate that only jitters does not touch the drawing.
  const width = Math.round(strokeWidth(props.rate) * 2) / 2;
  return <Curve points={props.points} direction={props.direction} width={width} pace={pace(props.rate)} qos={props.qos} selected={props.selected} />;
}

interface DrawnCurveProps {
  points: readonly Point[];
  direction: Direction;
  width: number;
  pace: string;
  qos: string;
  selected: boolean;
}

const Curve = memo<DrawnCurveProps>(function Curve(props) {
  const path = curve(props.points, props.direction);
  return (
    <g class={`link ${props.pace} ${props.qos} ${props.selected ? "selected" : ""}`} aria-hidden="true">
      <path class="link-line" d={path} stroke-width={props.width} />
      {props.pace !== "idle" && <path class="link-dots" d={path} stroke-width={props.width + 1} />}
    </g>
  );
});

interface LabelProps {
  link: GraphLink;
  now: LinkStatus | undefined;
  at: Point;
  box: Box;
  direction: Direction;
  compact: boolean;
  selected: boolean;
}

export function LinkLabel({ link, now, at, box, direction, compact, selected }: LabelProps): JSX.Element {
  const [x, y] = toXY(at, direction);
  const lost = now && now.dropped > 0 && link.qos !== "realtime";
  return (
    <Label
      source={link.source}
      target={link.target}
      first={`${rate(now?.rate ?? 0)}/s`}
      latency={now && !compact ? millis(now.latency_p50_ms) : ""}
      second={compact ? compactText(link, now) : [link.qos, now?.via || link.via].filter(Boolean).join(" · ")}
      third={compact ? "" : queueText(link, now)}
      lost={Boolean(lost)}
      x={x - box.width / 2}
      y={y - box.height / 2}
      width={box.width}
      height={box.height}
      selected={selected}
      spoken={spoken(link, now)}
    />
  );
}

/** The most telling of a link's figures: what is lost, else what waits, else how long it takes. */
function compactText(link: GraphLink, now: LinkStatus | undefined): string {
  if (!now) return link.qos;
  if (now.dropped > 0) return `${count(now.dropped)} ${link.qos === "realtime" ? "skip" : "drop"}`;
  return now.depth > 1 ? `queue ${now.depth}/${now.capacity}` : millis(now.latency_p50_ms);
}

/** Frames that wait, of how many may, and those lost: "queue 8/64", "1/1 · 412 skipped". */
function queueText(link: GraphLink, now: LinkStatus | undefined): string {
  const queue = `${now?.depth ?? 0}/${now?.capacity ?? link.capacity}`;
  if (!now || now.dropped === 0) return `queue ${queue}`;
  return `${queue} · ${count(now.dropped)} ${link.qos === "realtime" ? "skipped" : "dropped"}`;
}

function spoken(link: GraphLink, now: LinkStatus | undefined): string {
  const parts = [`link from ${link.source} to ${link.target}`, link.qos];
  if (now) parts.push(now.via, `${rate(now.rate)} frames per second`, `${now.dropped} ${link.qos === "realtime" ? "skipped" : "dropped"}`);
  return parts.filter(Boolean).join(", ");
}

interface DrawnLabelProps {
  source: string;
  target: string;
  first: string;
  latency: string;
  second: string;
  third: string;
  lost: boolean;
  x: number;
  y: number;
  width: number;
  height: number;
  selected: boolean;
  spoken: string;
}

const Label = memo<DrawnLabelProps>(function Label(props) {
  const { width, height, selected, source, target } = props;
  return (
    <g class={`link-label ${props.lost ? "warn" : ""} ${selected ? "selected" : ""}`} transform={`translate(${props.x} ${props.y})`} {...selectable(props.spoken, selected, "link", source, target)}>
      <title>{`${source} → ${target}`}</title>
      <rect width={width} height={height} rx="8" />
      <text class="link-rate" x="10" y={16.5}>{props.first}</text>
      <text class="link-latency" x={width - 10} y={16.5}>{props.latency}</text>
      <text class="link-more" x="10" y={32}>{fit(props.second, width - 14, 5.7)}</text>
      {props.third && <text class="link-queue" x="10" y={47.5}>{fit(props.third, width - 14, 5.7)}</text>}
    </g>
  );
});
