/** The graph as SVG: left to right where there is room, downwards on narrow screens. */

import type { JSX, RefObject } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { Direction } from "../../graph/curve";
import { layout, type Layout, type LayoutOptions, type Size } from "../../graph/layout";
import { live, status } from "../../state/store";
import type { FlowGraph } from "../../state/types";
import { DrawnLink, LinkLabel } from "./drawn-link";
import { DrawnNode } from "./drawn-node";

/** Space around the graph, in drawing units. */
const MARGIN = 16;
const NARROW_PX = 720;
const MAX_SCALE = 1.35;
/** Below this the text is too small to read: a roomier shape, or scrolling, is better. */
const GOOD_SCALE = 0.88;
/** A phone is held closer, and scrolling two ways is worse there than small text. */
const LEAST_SCALE = { right: 0.88, down: 0.72 } as const;

export interface Box {
  width: number;
  height: number;
}

interface Shape {
  direction: Direction;
  /** Labels show two lines in place of three. */
  compact: boolean;
  options: LayoutOptions;
}

const WIDE: Shape = {
  direction: "right",
  compact: false,
  options: {
    node: { main: 196, cross: 92 },
    label: { main: 138, cross: 58 },
    gap: { main: 34, cross: 26 },
    lane: 14,
  },
};

const MEDIUM: Shape = {
  direction: "right",
  compact: true,
  options: {
    node: { main: 152, cross: 90 },
    label: { main: 92, cross: 42 },
    gap: { main: 18, cross: 22 },
    lane: 12,
  },
};

const TALL: Shape = {
  direction: "down",
  compact: true,
  options: {
    node: { main: 88, cross: 140 },
    label: { main: 42, cross: 86 },
    gap: { main: 14, cross: 8 },
    lane: 8,
  },
};

interface Placed {
  shape: Shape;
  layout: Layout;
  width: number;
  height: number;
  scale: number;
}

function place(graph: FlowGraph, shape: Shape, room: number): Placed {
  const links = graph.links.map((link) => ({ ...link, id: `${link.source}/${link.target}` }));
  const placed = layout(graph.nodes.map((node) => node.name), links, shape.options);
  const across = shape.direction === "right";
  const width = (across ? placed.size.main : placed.size.cross) + 2 * MARGIN;
  const height = (across ? placed.size.cross : placed.size.main) + 2 * MARGIN;
  const scale = Math.min(MAX_SCALE * rootScale(), room / width);
  return { shape, layout: placed, width, height, scale };
}

/** The roomiest drawing that is still readable in `room` pixels. */
function fitInto(graph: FlowGraph, room: number): Placed {
  const shapes = room < NARROW_PX ? [TALL] : [WIDE, MEDIUM, TALL];
  const tries = shapes.map((shape) => place(graph, shape, room));
  const good = tries.find((each) => each.scale >= GOOD_SCALE);
  if (good) return good;
  const best = tries.reduce((a, b) => (b.scale > a.scale ? b : a));
  return { ...best, scale: Math.max(best.scale, LEAST_SCALE[best.shape.direction]) };
}

/** Width and height of a box whose sides are given along and across the flow. */
function boxOf(size: Size, direction: Direction): Box {
  return direction === "right"
    ? { width: size.main, height: size.cross }
    : { width: size.cross, height: size.main };
}

export function GraphDrawing(props: { graph: FlowGraph; selected: string }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  return (
    <div class="graph" ref={box}>
      {width > 0 && <Drawing {...props} room={width} />}
    </div>
  );
}

interface DrawingProps {
  graph: FlowGraph;
  selected: string;
  room: number;
}

function Drawing({ graph, selected, room }: DrawingProps): JSX.Element {
  const { shape, layout: placed, width, height, scale } = useMemo(() => fitInto(graph, room), [graph, room]);
  const nodeBox = boxOf(shape.options.node, shape.direction);
  const labelBox = boxOf(shape.options.label, shape.direction);
  const flow = status.value;
  const nodes = new Map(flow?.nodes.map((node) => [node.name, node]));
  const links = new Map(flow?.links.map((link) => [`${link.source}/${link.target}`, link]));
  const drawing = useRef<SVGSVGElement>(null);
  useDots(drawing);
  return (
    <svg
      ref={drawing}
      class="graph-svg"
      viewBox={`${-MARGIN} ${-MARGIN} ${width} ${height}`}
      width={Math.floor(width * scale)}
      height={Math.floor(height * scale)}
      role="group"
      aria-label={`Graph of ${graph.name}: ${graph.nodes.length} nodes, ${graph.links.length} links`}
    >
      {graph.links.map((link) => {
        const id = `${link.source}/${link.target}`;
        const now = links.get(id);
        const points = placed.routes.get(id);
        return points && (
          <DrawnLink key={id} points={points} direction={shape.direction} rate={now?.rate ?? 0} qos={link.qos} selected={selected === `link/${id}`} />
        );
      })}
      {graph.links.map((link) => {
        const id = `${link.source}/${link.target}`;
        const at = placed.labels.get(id);
        return at && (
          <LinkLabel key={id} link={link} now={links.get(id)} at={at} box={labelBox} direction={shape.direction} compact={shape.compact} selected={selected === `link/${id}`} />
        );
      })}
      {graph.nodes.map((node) => {
        const at = placed.nodes.get(node.name);
        return at && (
          <DrawnNode key={node.name} declared={node} now={nodes.get(node.name)} at={at} box={nodeBox} direction={shape.direction} selected={selected === `node/${node.name}`} />
        );
      })}
    </svg>
  );
}

/** How much larger than 16 px the page's text is: drawings grow with it on very large screens. */
function rootScale(): number {
  return parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
}

/** Distance between dots, in drawing units; the phase repeats after it. */
const DOT_PERIOD = 28;
const DOT_STEP_MS = 180;

/**
 * Moves the dots along the links. A CSS animation would style and paint sixty times a second;
 * stepping one property costs a tenth of that.
 */
function useDots(drawing: RefObject<SVGSVGElement | null>): void {
  useEffect(() => {
    const still = matchMedia("(prefers-reduced-motion: reduce)");
    let phase = 0;
    const timer = setInterval(() => {
      if (document.hidden || still.matches || !live.peek()) return;
      phase = (phase + 1) % DOT_PERIOD;
      drawing.current?.style.setProperty("--phase", String(phase));
    }, DOT_STEP_MS);
    return () => clearInterval(timer);
  }, [drawing]);
}

function useWidth(ref: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    const watcher = new ResizeObserver(() => setWidth(element.clientWidth));
    watcher.observe(element);
    setWidth(element.clientWidth);
    return () => watcher.disconnect();
  }, [ref]);
  return width;
}
