/** Sums up a flow in words: is it well, and if not, what is wrong where. */

import { duration, millis, plural } from "./format";
import type { ClimateSummary } from "./climate-types";
import type { SensingSummary } from "./sensing-types";
import type { DeviceStatus, FlowStatus, NodeStatus, PathLatency, StreamStatus } from "./types";

export type Level = "ok" | "warn" | "bad";

export interface Problem {
  level: Exclude<Level, "ok">;
  subject: string;
  text: string;
  /** Where to look, as a hash route. */
  route: string;
}

export interface Health {
  level: Level;
  text: string;
  problems: Problem[];
}

/** An error of a node that goes on is a warning for this long, in seconds. */
const RECENT_S = 60;
const BAD_STATES = new Set(["failed", "lost"]);

/** Level of a node's state: how loudly to show it. */
export function stateLevel(state: string): Level {
  if (BAD_STATES.has(state)) return "bad";
  return state === "running" || state === "finished" ? "ok" : "warn";
}

function nodeProblem(node: NodeStatus, now: number): Problem | null {
  const route = `#/topology/node/${encodeURIComponent(node.name)}`;
  const level = stateLevel(node.state);
  if (level === "bad") {
    const why = node.last_error ? `: ${firstLine(node.last_error)}` : "";
    return { level, subject: node.name, text: `${node.state}${why}`, route };
  }
  if (level === "warn" && node.state !== "stopped") {
    return { level, subject: node.name, text: node.state, route };
  }
  if (node.state === "running" && node.alive < node.replicas) {
    const text = `${node.alive} of ${node.replicas} replicas alive`;
    return { level: "warn", subject: node.name, text, route };
  }
  const since = node.last_error_time === null ? Infinity : now - node.last_error_time;
  if (node.last_error && since < RECENT_S) {
    return { level: "warn", subject: node.name, text: `raised ${firstLine(node.last_error)}`, route };
  }
  return null;
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}

function deviceProblem(device: DeviceStatus): Problem | null {
  const route = "#/boards";
  if (device.state === "lost") {
    return { level: "bad", subject: device.name, text: `lost: ${firstLine(device.last_error || "it does not answer")}`, route };
  }
  const text = { connecting: "is being looked for", "no-model": "has no model" }[device.state];
  return text === undefined ? null : { level: "warn", subject: device.name, text, route };
}

/** What keeps a climate system from working, and devices that are away. */
function climateProblems(climate: ClimateSummary): Problem[] {
  const away = climate.devices - climate.online;
  return [
    ...climate.problems.map((text): Problem => {
      const [subject = text, ...rest] = text.split(": ");
      return { level: "bad", subject, text: rest.join(": "), route: "#/health" };
    }),
    ...(away > 0 ? [{ level: "warn" as const, subject: plural(away, "device"), text: away === 1 ? "is offline" : "are offline", route: "#/health" }] : []),
  ];
}

/** Problems of a flow and of its devices, worst first. */
export function health(
  status: FlowStatus,
  streams: readonly StreamStatus[],
  devices: readonly DeviceStatus[] = [],
  sensing: SensingSummary | null = null,
  climate: ClimateSummary | null = null,
): Health {
  const problems = status.nodes.map((node) => nodeProblem(node, status.time)).filter((problem) => problem !== null);
  if (sensing && sensing.live < sensing.nodes) {
    const silent = sensing.nodes - sensing.live;
    problems.push({ level: "warn", subject: plural(silent, "sensing node"), text: silent === 1 ? "is silent" : "are silent", route: "#/sensing" });
  }
  if (climate) problems.push(...climateProblems(climate));
  problems.push(...devices.map(deviceProblem).filter((problem) => problem !== null));
  for (const stream of streams) {
    if (!stream.stalled) continue;
    const since = stream.age_s === null ? "" : ` for ${duration(stream.age_s)}`;
    problems.push({
      level: "warn",
      subject: stream.topic,
      text: `no frame${since}`,
      route: "#/live",
    });
  }
  problems.sort((a, b) => Number(b.level === "bad") - Number(a.level === "bad"));
  const bad = problems.filter((problem) => problem.level === "bad").length;
  if (bad > 0) return { level: "bad", text: plural(problems.length, "problem"), problems };
  if (problems.length > 0) {
    return { level: "warn", text: plural(problems.length, "warning"), problems };
  }
  const ended = status.state === "stopped" || status.state === "finished";
  return { level: "ok", text: ended ? capital(status.state) : "Healthy", problems };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export interface Totals {
  framesIn: number;
  framesShown: number;
  droppedRealtime: number;
  droppedQueued: number;
  restarts: number;
  errors: number;
  alive: number;
  wanted: number;
}

/** Totals of the head line; rates in frames per second. */
export function totals(status: FlowStatus, streams: readonly StreamStatus[]): Totals {
  const sum = <T>(items: readonly T[], pick: (item: T) => number): number =>
    items.reduce((total, item) => total + pick(item), 0);
  const producers = status.nodes.filter((node) => node.role === "producer");
  const dropped = (realtime: boolean): number =>
    sum(
      status.links.filter((link) => (link.qos === "realtime") === realtime),
      (link) => link.dropped,
    );
  return {
    framesIn: sum(producers, (node) => node.rate_out),
    framesShown: sum(streams, (stream) => stream.fps),
    droppedRealtime: dropped(true),
    droppedQueued: dropped(false),
    restarts: sum(status.nodes, (node) => node.restarts),
    errors: sum(status.nodes, (node) => node.errors),
    alive: sum(status.nodes, (node) => node.alive),
    wanted: sum(status.nodes, (node) => node.replicas),
  };
}

/** The share of a path that its bottleneck takes, in words: "73% of 41 ms is spent in detector". */
export function bottleneckSentence(path: PathLatency): string {
  const segment = path.segments.find((each) => each.name === path.bottleneck);
  const whole = path.segments.reduce((total, each) => total + each.p50_ms, 0);
  if (!segment || whole <= 0 || path.frames === 0) return "No frame has come along this path yet";
  const share = Math.round((segment.p50_ms / whole) * 100);
  const place =
    segment.kind === "node" ? `in ${segment.name}` : `on the way ${segment.name.replace("->", "→")}`;
  return `${share}% of ${millis(path.p50_ms)} is spent ${place}`;
}

export interface DeviceTotals {
  ready: number;
  all: number;
  rate: number;
  requests: number;
  errors: number;
  waiting: number;
}

/** Totals of the head line of a system of devices; the rate in answers per second. */
export function deviceTotals(devices: readonly DeviceStatus[]): DeviceTotals {
  const sum = (pick: (device: DeviceStatus) => number): number => devices.reduce((total, each) => total + pick(each), 0);
  return {
    ready: devices.filter((device) => device.state === "ready" || device.state === "swapping").length,
    all: devices.length,
    rate: sum((device) => device.rate),
    requests: sum((device) => device.requests),
    errors: sum((device) => device.errors),
    waiting: sum((device) => device.queue_depth),
  };
}
