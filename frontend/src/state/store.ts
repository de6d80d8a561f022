/** The page's one source of truth: what the server said last, as signals the views read. */

import { batch, computed, effect, signal } from "@preact/signals";

import { ACTIVITY_CAPACITY } from "./activity";
import { allowed, getJson, socketAddress } from "./api";
import { Connection, type ConnectionState, type Socket } from "./connection";
import { type Health, health as healthOf, totals as totalsOf, type Totals } from "./health";
import { History } from "./history";
import { LOG_CAPACITY } from "./logs";
import { append } from "./numbered";
import type {
  Activity,
  DeviceStatus,
  FlowGraph,
  FlowStatus,
  LogLine,
  ModelStatus,
  PathLatency,
  StatsMessage,
  StreamStatus,
} from "./types";
import type { ClimateSummary } from "./climate-types";
import type { SensingSummary } from "./sensing-types";

export const connection = signal<ConnectionState>("connecting");
export const status = signal<FlowStatus | null>(null);
export const streams = signal<readonly StreamStatus[]>([]);
export const paths = signal<readonly PathLatency[]>([]);
export const logs = signal<readonly LogLine[]>([]);
export const models = signal<readonly ModelStatus[]>([]);
export const devices = signal<readonly DeviceStatus[]>([]);
/** Nodes that sense, in a few numbers; null where there are none. */
export const sensing = signal<SensingSummary | null>(null);
/** The climate system in a few numbers; null where there is none. */
export const climate = signal<ClimateSummary | null>(null);
export const activity = signal<readonly Activity[]>([]);
export const graph = signal<FlowGraph | null>(null);
/** Local time of the last message, in milliseconds; 0 before the first. */
export const updatedAt = signal(0);

export const live = computed(() => connection.value === "live");
export const health = computed<Health | null>(() =>
  status.value ? healthOf(status.value, streams.value, devices.value, sensing.value, climate.value) : null,
);
export const totals = computed<Totals | null>(() =>
  status.value ? totalsOf(status.value, streams.value) : null,
);
/** True for a flow with models or agents. */
export const decides = computed(() => models.value.length > 0 || activity.value.length > 0);
/** True where nodes run; a system of devices alone has none. */
export const flows = computed(() => (status.value?.nodes.length ?? 0) > 0);
/** Names and kinds only: changes when a stream appears, not with every figure. */
export const streamKeys = computed(() =>
  streams.value.map((stream) => `${stream.kind}:${stream.topic}`).join("\n"),
);

/** Per node: rate (frames/s), p50 and p99 of processing (ms). */
export const nodeHistory = new History(3);

let started = 0;
let graphWanted = true;

/** Take one message of the server. */
export function apply(message: StatsMessage): void {
  const flow = message.status;
  batch(() => {
    if (flow.started !== started) {
      started = flow.started;
      nodeHistory.clear();
      logs.value = [];
      activity.value = [];
      graphWanted = true;
    }
    for (const node of flow.nodes) {
      const rate = node.role === "producer" ? node.rate_out : node.rate_in;
      nodeHistory.of(node.name).push(flow.time, rate, node.process_p50_ms, node.process_p99_ms);
    }
    nodeHistory.keepOnly(flow.nodes.map((node) => node.name));
    status.value = flow;
    streams.value = message.streams;
    paths.value = message.paths;
    logs.value = append(logs.value, message.logs, LOG_CAPACITY);
    models.value = message.models;
    devices.value = message.devices;
    sensing.value = message.sensing ?? null;
    climate.value = message.climate ?? null;
    activity.value = append(activity.value, message.activity, ACTIVITY_CAPACITY);
    updatedAt.value = Date.now();
  });
  if (graphWanted) void loadGraph();
}

async function loadGraph(): Promise<void> {
  graphWanted = false;
  try {
    const [declared, earlier] = await Promise.all([
      getJson<FlowGraph>("api/graph"),
      getJson<LogLine[] | { logs: LogLine[] }>("api/logs?limit=500"),
    ]);
    batch(() => {
      graph.value = declared;
      logs.value = append(logs.value, Array.isArray(earlier) ? earlier : earlier.logs, LOG_CAPACITY);
    });
  } catch {
    graphWanted = true;
  }
}

/** Merge what arrived since the last paint, so a burst or a hidden tab costs one update. */
export function merge(pending: StatsMessage | null, next: StatsMessage): StatsMessage {
  if (!pending || pending.status.started !== next.status.started) return next;
  return {
    ...next,
    logs: [...pending.logs, ...next.logs].slice(-LOG_CAPACITY),
    activity: [...pending.activity, ...next.activity].slice(-ACTIVITY_CAPACITY),
  };
}

/** Connect and keep the signals current; returns the connection for retries and for stopping. */
export function connect(): Connection {
  let pending: StatsMessage | null = null;
  const paint = (): void => {
    const message = pending;
    pending = null;
    if (message) apply(message);
  };
  const link = new Connection({
    open: () => new WebSocket(socketAddress("ws/stats")) as unknown as Socket,
    allowed,
    onState: (state) => {
      connection.value = state;
    },
    onMessage: (data) => {
      const waiting = pending !== null;
      pending = merge(pending, JSON.parse(data) as StatsMessage);
      if (!waiting) requestAnimationFrame(paint);
    },
  });
  link.start();
  addEventListener("online", () => link.retryNow());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) link.retryNow();
  });
  return link;
}

/** Seconds since the last message, ticking only while the connection is lost. */
export const lostFor = signal(0);
effect(() => {
  if (connection.value !== "lost") return undefined;
  const tick = (): void => {
    lostFor.value = updatedAt.peek() ? (Date.now() - updatedAt.peek()) / 1000 : 0;
  };
  tick();
  const timer = setInterval(tick, 1000);
  return () => clearInterval(timer);
});
