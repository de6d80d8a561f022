/** A node of the drawing. Renders again only when one of its words or numbers changes. */

import type { JSX } from "preact";

import { type Direction, toXY } from "../../graph/curve";
import type { Point } from "../../graph/layout";
import { count, millis, rate } from "../../state/format";
import { stateLevel } from "../../state/health";
import type { GraphNode, NodeStatus } from "../../state/types";
import { iconPath, isIcon, stateIcon } from "../../ui/icons";
import { memo } from "../../ui/memo";
import type { Box } from "./drawing";
import { fit, selectable } from "./select";

interface Props {
  declared: GraphNode;
  now: NodeStatus | undefined;
  at: Point;
  box: Box;
  direction: Direction;
  selected: boolean;
}

export function DrawnNode({ declared, now, at, box, direction, selected }: Props): JSX.Element {
  const [x, y] = toXY(at, direction);
  const state = now?.state ?? "starting";
  return (
    <Card
      name={declared.name}
      role={declared.role}
      state={state}
      level={now && now.alive < now.replicas && state === "running" ? "warn" : stateLevel(state)}
      replicas={declared.replicas > 1 ? `${now?.alive ?? 0}/${declared.replicas}` : ""}
      rate={`${rate(rateOf(now))}/s`}
      time={now ? millis(now.process_p50_ms) : ""}
      errors={now && now.errors > 0 ? `${count(now.errors)} err` : ""}
      x={x - box.width / 2}
      y={y - box.height / 2}
      width={box.width}
      height={box.height}
      selected={selected}
    />
  );
}

/** Frames per second through a node: what it makes, or what it takes. */
export function rateOf(node: NodeStatus | undefined): number {
  if (!node) return 0;
  return node.role === "producer" ? node.rate_out : node.rate_in;
}

interface CardProps {
  name: string;
  role: string;
  state: string;
  level: string;
  replicas: string;
  rate: string;
  time: string;
  errors: string;
  x: number;
  y: number;
  width: number;
  height: number;
  selected: boolean;
}

const Card = memo<CardProps>(function Card(props) {
  const { name, role, state, level, width, height, selected } = props;
  const label = `${role} ${name}, ${state}, ${props.rate}, ${props.time}`;
  const room = width - 46 - (props.replicas ? 34 : 0);
  return (
    <g class={`node ${level} ${selected ? "selected" : ""}`} transform={`translate(${props.x} ${props.y})`} {...selectable(label, selected, "node", name)}>
      <title>{`${name} (${role})`}</title>
      <rect class="node-box" width={width} height={height} rx="10" />
      <path class="node-stripe" d={`M0 10a10 10 0 0 1 3.500-7.600V${height - 2.4}A10 10 0 0 1 0 ${height - 10}z`} />
      <path class="node-role" transform="translate(14 13)" d={iconPath(isIcon(role) ? role : "consumer")} />
      <text class="node-name" x="38" y="26">{fit(name, room, 7.6)}</text>
      {props.replicas && <text class="node-replicas" x={width - 12} y="26">{props.replicas}</text>}
      <path class="node-state" transform="translate(14.5 38) scale(.82)" d={iconPath(stateIcon(state))} />
      <text class="node-state-word" x="38" y="49">{state}</text>
      {props.errors && <text class="node-errors" x={width - 12} y="49">{props.errors}</text>}
      <line class="node-rule" x1="12" x2={width - 12} y1={height - 33} y2={height - 33} />
      <text class="node-rate" x="14" y={height - 13}>{props.rate}</text>
      <text class="node-time" x={width - 12} y={height - 13}>
        {props.time} <tspan>p50</tspan>
      </text>
    </g>
  );
});
