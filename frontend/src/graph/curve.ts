/** Smooth SVG paths through the points of a route, leaving and entering along the flow. */

import type { Point } from "./layout";

export type Direction = "right" | "down";

/** x and y of a point for a drawing direction. */
export function toXY(point: Point, direction: Direction): [number, number] {
  return direction === "right" ? [point.main, point.cross] : [point.cross, point.main];
}

/** The `d` of a path: cubic pieces whose tangents follow the flow. */
export function curve(points: readonly Point[], direction: Direction): string {
  const first = points[0];
  if (!first) return "";
  const text = (point: Point): string => toXY(point, direction).map(round).join(" ");
  let path = `M${text(first)}`;
  points.slice(1).forEach((point, index) => {
    const from = points[index] ?? first;
    const middle = (from.main + point.main) / 2;
    const straight = Math.abs(from.cross - point.cross) < 0.5;
    path += straight
      ? `L${text(point)}`
      : `C${text({ main: middle, cross: from.cross })} ` +
        `${text({ main: middle, cross: point.cross })} ${text(point)}`;
  });
  return path;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
