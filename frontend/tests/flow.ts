/** Small statuses for the tests. */

import type { Activity, DeviceStatus, FlowStatus, LinkStatus, LogLine, ModelStatus, NodeStatus, PathLatency, StatsMessage, StreamStatus } from "../src/state/types";

export function node(name: string, more: Partial<NodeStatus> = {}): NodeStatus {
  return {
    name,
    role: "consumer",
    state: "running",
    replicas: 1,
    alive: 1,
    device: null,
    host: "edge",
    pids: [1],
    frames_in: 0,
    frames_out: 0,
    errors: 0,
    restarts: 0,
    late: 0,
    unmatched: 0,
    rate_in: 0,
    rate_out: 0,
    process_p50_ms: 0,
    process_p99_ms: 0,
    last_error: null,
    last_error_time: null,
    place: "",
    ...more,
  };
}

export function link(source: string, target: string, more: Partial<LinkStatus> = {}): LinkStatus {
  return {
    source,
    target,
    topic: source,
    qos: "realtime",
    via: "memory",
    codec: "raw",
    sent: 0,
    received: 0,
    dropped: 0,
    redelivered: 0,
    bytes: 0,
    depth: 0,
    capacity: 1,
    rate: 0,
    latency_p50_ms: 0,
    latency_p99_ms: 0,
    ...more,
  };
}

export function stream(topic: string, more: Partial<StreamStatus> = {}): StreamStatus {
  return { topic, fps: 30, age_s: 0, viewers: 0, dropped: 0, kind: "image", shape: [480, 640, 3], stalled: false, ...more };
}

export function flow(more: Partial<FlowStatus> = {}): FlowStatus {
  return { app: "door", mode: "threads", started: 1, time: 10, state: "running", nodes: [], links: [], ...more };
}

export function line(number: number, more: Partial<LogLine> = {}): LogLine {
  return { time: number, level: "info", node: "camera", event: "frame_seen", fields: {}, number, ...more };
}

export function path(segments: PathLatency["segments"], bottleneck: string): PathLatency {
  const total = segments.reduce((sum, each) => sum + each.p50_ms, 0);
  return { path: ["a", "b"], frames: 9, p50_ms: total, p99_ms: total * 2, bottleneck, segments };
}

export function message(more: Partial<StatsMessage> = {}): StatsMessage {
  return { status: flow(), paths: [], logs: [], streams: [], models: [], activity: [], devices: [], ...more };
}

export function entry(number: number, more: Partial<Activity> = {}): Activity {
  return {
    number, time: number, kind: "alert", level: "info", text: "", pipeline: "", agent: "",
    dispatcher: "", target: "", sensor: "", ok: null, latency_ms: null, detail: {}, ...more,
  };
}

export function model(name: string, more: Partial<ModelStatus> = {}): ModelStatus {
  return {
    name,
    state: "ready",
    version: "1",
    versions: ["1"],
    device: "cpu",
    engine: "onnx",
    pinned: false,
    instances: 1,
    queue_depth: 0,
    queue_capacity: 64,
    requests: 0,
    errors: 0,
    misfits: 0,
    rejected: 0,
    late: 0,
    cancelled: 0,
    rate: 0,
    p50_ms: 0,
    p99_ms: 0,
    compute_p50_ms: 0,
    breaker: "",
    inputs: [],
    outputs: [],
    last_error: null,
    ...more,
  };
}

export function board(name: string, more: Partial<DeviceStatus> = {}): DeviceStatus {
  return {
    name, kind: "board", state: "ready", port: `/dev/${name}`, protocol: "extended", chip: "ESP32-S3", firmware: "edgeflow 1",
    unique_id: "", baud: 115_200, last_seen: 0, last_error: "", queue_depth: 0, queue_capacity: 64, requests: 0, errors: 0,
    rate: 0, wire_p50_ms: 0, compute_p50_ms: 0, p50_ms: 0, p99_ms: 0, models: [], counters: {}, swap: {}, last_input: [],
    last_forecast: [], ...more,
  };
}
