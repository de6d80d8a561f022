/** What the server sends. Field names and units are those of `edgeflow.core.status`. */

import type { ClimateSummary } from "./climate-types";
import type { SensingSummary } from "./sensing-types";

export type NodeState =
  | "starting"
  | "running"
  | "restarting"
  | "failed"
  | "finished"
  | "stopped"
  | "lost";

export type Role = "producer" | "consumer" | "fusion" | "sink" | "gateway";

export interface NodeStatus {
  name: string;
  role: Role;
  state: NodeState;
  replicas: number;
  alive: number;
  device: string | null;
  host: string;
  pids: number[];
  frames_in: number;
  frames_out: number;
  errors: number;
  restarts: number;
  late: number;
  unmatched: number;
  rate_in: number;
  rate_out: number;
  process_p50_ms: number;
  process_p99_ms: number;
  last_error: string | null;
  last_error_time: number | null;
  place: string;
}

export interface LinkStatus {
  source: string;
  target: string;
  topic: string;
  qos: string;
  via: string;
  codec: string;
  sent: number;
  received: number;
  dropped: number;
  redelivered: number;
  bytes: number;
  depth: number;
  capacity: number;
  rate: number;
  latency_p50_ms: number;
  latency_p99_ms: number;
}

export interface FlowStatus {
  app: string;
  mode: string;
  started: number;
  time: number;
  state: string;
  nodes: NodeStatus[];
  links: LinkStatus[];
}

export interface Segment {
  kind: "node" | "link";
  name: string;
  start_ms: number;
  p50_ms: number;
  p99_ms: number;
}

export interface PathLatency {
  path: string[];
  frames: number;
  p50_ms: number;
  p99_ms: number;
  bottleneck: string;
  segments: Segment[];
}

export interface LogLine {
  time: number;
  level: string;
  node: string;
  event: string;
  fields: Record<string, unknown>;
  number: number;
}

export interface StreamStatus {
  topic: string;
  fps: number;
  age_s: number | null;
  viewers: number;
  dropped: number;
  /** "none" before the first frame. */
  kind: "image" | "data" | "none";
  shape: number[] | null;
  stalled: boolean;
}

/** One model; `breaker` is empty where no circuit breaker guards it. */
export interface ModelStatus {
  name: string;
  state: string;
  version: string;
  versions: string[];
  device: string;
  engine: string;
  pinned: boolean;
  instances: number;
  queue_depth: number;
  queue_capacity: number;
  requests: number;
  errors: number;
  misfits: number;
  rejected: number;
  late: number;
  cancelled: number;
  rate: number;
  p50_ms: number;
  p99_ms: number;
  compute_p50_ms: number;
  breaker: string;
  inputs: string[];
  outputs: string[];
  last_error: string | null;
}

/** Something that happened: an alert, an action with its result, a trip. */
export interface Activity {
  number: number;
  time: number;
  kind: string;
  level: string;
  text: string;
  pipeline: string;
  agent: string;
  dispatcher: string;
  target: string;
  sensor: string;
  ok: boolean | null;
  latency_ms: number | null;
  detail: Record<string, unknown>;
}

/** One model on a device; `shape` is T, F, H and hidden. */
export interface DeviceModel {
  id: number;
  name: string;
  version: number;
  kind: string;
  dtype: string;
  slot: string;
  previous: string;
  state: string;
  shape: number[];
  bytes: number;
  sha256: string;
}

/** The last step of the last swap of a device; empty before the first. */
export interface SwapStep {
  id?: string;
  model?: number;
  step?: string;
  done?: number;
  total?: number;
  text?: string;
  error?: string;
}

/** A board, with its models and its latest figures. */
export interface DeviceStatus {
  name: string;
  kind: string;
  state: string;
  port: string;
  protocol: string;
  chip: string;
  firmware: string;
  unique_id: string;
  baud: number;
  last_seen: number;
  last_error: string;
  queue_depth: number;
  queue_capacity: number;
  requests: number;
  errors: number;
  rate: number;
  wire_p50_ms: number;
  compute_p50_ms: number;
  p50_ms: number;
  p99_ms: number;
  models: DeviceModel[];
  counters: Record<string, number>;
  swap: SwapStep;
  last_input: number[][];
  last_forecast: number[];
}

/** One message of `/ws/stats`. */
export interface StatsMessage {
  status: FlowStatus;
  paths: PathLatency[];
  logs: LogLine[];
  streams: StreamStatus[];
  models: ModelStatus[];
  activity: Activity[];
  devices: DeviceStatus[];
  /** Absent where nothing senses. */
  sensing?: SensingSummary | null;
  climate?: ClimateSummary | null;
}

export interface GraphNode {
  name: string;
  role: Role;
  replicas: number;
  device: string | null;
  place: string;
  options: Record<string, unknown>;
}

export interface GraphLink {
  source: string;
  target: string;
  topic: string;
  output?: string | null;
  qos: string;
  codec: string;
  via: string | null;
  channel?: string | null;
  capacity: number;
}

export interface FlowGraph {
  name: string;
  nodes: GraphNode[];
  links: GraphLink[];
}

/** One frame seen through `/api/tap/{topic}`. */
export interface TappedFrame {
  id: number;
  timestamp: number;
  topic: string;
  meta: Record<string, unknown>;
  kind: string;
  dtype: string | null;
  shape: number[] | null;
  preview: unknown;
  redelivered: boolean;
  image: boolean;
}
