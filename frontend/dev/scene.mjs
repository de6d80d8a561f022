/** Changing data of an imaginary flow, for work on the dashboard without a backend. */

import { deflateSync } from "node:zlib";

const started = Date.now() / 1000 - 3723;
const wave = (t, period, low, high, phase = 0) =>
  low + (high - low) * (0.5 + 0.5 * Math.sin((t / period + phase) * 2 * Math.PI));

export const GRAPH = {
  name: "front-door",
  nodes: [
    node("camera", "producer", { options: { fps: 30 }, device: "camera" }),
    node("detector", "consumer", { replicas: 2, device: "gpu", options: { threshold: 0.4 } }),
    node("blur", "consumer", { options: { strength: 18 } }),
    node("recorder", "sink", { options: { path: "door.mcap" } }),
    node("climate", "producer", { options: { fps: 1 } }),
    node("gateway", "gateway", { options: { node_port: 30080 } }),
  ],
  links: [
    link("camera", "detector", "realtime", "shm", 1),
    link("detector", "blur", "realtime", "shm", 1),
    link("blur", "gateway", "realtime", "tcp", 1, { codec: "jpeg:85", channel: "front door" }),
    link("camera", "gateway", "realtime", "tcp", 1, { codec: "jpeg:85", channel: "raw" }),
    link("camera", "recorder", "durable", "redis", 64),
    link("climate", "gateway", "balanced", "tcp", 16),
  ],
};

function node(name, role, more = {}) {
  const place = `main.py:${20 + name.length * 7}`;
  return { name, role, replicas: 1, device: null, place, options: {}, ...more };
}

function link(source, target, qos, via, capacity, more = {}) {
  return { source, target, topic: source, qos, codec: "raw", via, channel: null, capacity, ...more };
}

const ERROR = `RuntimeError: stream closed by the camera (code 404)
  File "nodes/camera.py", line 41, in produce
    raise RuntimeError(f"stream closed by the camera (code {code})")`;

/** Figures per node: [rate in, rate out, p50 ms, p99 ms]. */
function figures(t) {
  const detector = wave(t, 17, 13.5, 15.8);
  return {
    camera: [0, wave(t, 9, 29.7, 30.1), 2.1, 4.9],
    detector: [detector, detector, wave(t, 23, 27, 33), wave(t, 31, 48, 61)],
    blur: [detector, detector, wave(t, 13, 4.1, 5.2), 9.4],
    recorder: [wave(t, 9, 29.7, 30.1), 0, 0.7, 3.2],
    climate: [0, 0, 0.2, 0.4],
    gateway: [detector + 30, 0, 0.6, 2.2],
  };
}

function nodeStatus(spec, index, t, rates) {
  const [rateIn, rateOut, p50, p99] = rates[spec.name];
  const lost = spec.name === "climate";
  const restarting = spec.name === "blur" && t % 60 > 48;
  const elapsed = t - started;
  return {
    name: spec.name,
    role: spec.role,
    state: lost ? "failed" : restarting ? "restarting" : "running",
    replicas: spec.replicas,
    alive: lost || restarting ? 0 : spec.replicas,
    device: spec.device,
    host: "edge-01",
    pids: Array.from({ length: spec.replicas }, (_, i) => 4100 + index * 3 + i),
    frames_in: Math.round(rateIn * elapsed),
    frames_out: Math.round(rateOut * elapsed),
    errors: lost ? 6 : spec.name === "blur" ? 2 : 0,
    restarts: lost ? 5 : spec.name === "blur" ? 2 : 0,
    late: 0,
    unmatched: 0,
    rate_in: restarting ? 0 : rateIn,
    rate_out: restarting ? 0 : rateOut,
    process_p50_ms: p50,
    process_p99_ms: p99,
    last_error: lost ? ERROR : null,
    last_error_time: lost ? t - 95 : null,
    place: spec.place,
  };
}

function linkStatus(spec, t, rates) {
  const sourceRate = rates[spec.source][1];
  const sent = Math.round(sourceRate * (t - started));
  const slow = spec.target === "detector";
  const rate = slow ? rates.detector[0] : sourceRate;
  const dropped = slow ? Math.round(14.6 * (t - started)) : 0;
  const size = spec.codec === "raw" ? 921_600 : 58_000;
  return {
    source: spec.source,
    target: spec.target,
    topic: spec.topic,
    qos: spec.qos,
    via: spec.via,
    codec: spec.codec,
    sent,
    received: sent - dropped,
    dropped,
    redelivered: spec.qos === "durable" ? 3 : 0,
    bytes: sent * size,
    depth: spec.qos === "durable" ? Math.round(wave(t, 7, 0, 9)) : slow ? 1 : 0,
    capacity: spec.capacity,
    rate,
    latency_p50_ms: { shm: 0.19, tcp: 2.4, redis: 3.1 }[spec.via],
    latency_p99_ms: { shm: 0.9, tcp: 8.8, redis: 12.4 }[spec.via],
  };
}

function path(names, rates, links) {
  const segments = [];
  let start = 0;
  const add = (kind, name, p50, p99) => {
    segments.push({ kind, name, start_ms: start, p50_ms: p50, p99_ms: p99 });
    start += p50;
  };
  names.forEach((name, index) => {
    add("node", name, rates[name][2], rates[name][3]);
    const next = names[index + 1];
    if (!next) return;
    const way = links.find((each) => each.source === name && each.target === next);
    add("link", `${name} -> ${next}`, way.latency_p50_ms, way.latency_p99_ms);
  });
  const worst = segments.reduce((a, b) => (b.p50_ms > a.p50_ms ? b : a));
  const p99 = segments.reduce((sum, each) => sum + each.p99_ms * 0.8, 0);
  return { path: names, frames: 512, p50_ms: start, p99_ms: p99, bottleneck: worst.name, segments };
}

export function status(t = Date.now() / 1000) {
  const rates = figures(t);
  const nodes = GRAPH.nodes.map((spec, index) => nodeStatus(spec, index, t, rates));
  const links = GRAPH.links.map((spec) => linkStatus(spec, t, rates));
  return { app: GRAPH.name, mode: "processes", started, time: t, state: "running", nodes, links };
}

export function message(logs) {
  const t = Date.now() / 1000;
  const flow = status(t);
  const rates = figures(t);
  const paths = [
    path(["camera", "detector", "blur", "gateway"], rates, flow.links),
    path(["camera", "recorder"], rates, flow.links),
    path(["camera", "gateway"], rates, flow.links),
  ];
  const stream = (topic, more) => ({
    topic,
    fps: 0,
    age_s: 0.02,
    viewers: 1,
    dropped: 0,
    kind: "image",
    shape: [480, 640, 3],
    stalled: false,
    ...more,
  });
  const streams = [
    stream("front door", { fps: rates.detector[1] }),
    stream("raw", { fps: 30, viewers: 2, dropped: 41 }),
    stream("garage", { age_s: 3 + (t % 40), stalled: true, shape: [720, 1280, 3] }),
    stream("climate", { kind: "data", shape: null, fps: 0, age_s: 95, stalled: true }),
    stream("vitals", { kind: "data", shape: null, fps: 2, age_s: 0.3 }),
  ];
  return { status: flow, paths, logs, streams, models: models(t), activity: happened(t), devices: devices(t) };
}

function models(t) {
  const model = (name, more) => ({
    name, state: "ready", version: "1", versions: ["1"], device: "cpu", engine: "onnx", pinned: false,
    instances: 1, queue_depth: 0, queue_capacity: 64, requests: Math.round((t - started) * 11), errors: 0,
    misfits: 0, rejected: 0, late: 0, cancelled: 0, rate: 0, p50_ms: 0, p99_ms: 0, compute_p50_ms: 0, breaker: "",
    inputs: [], outputs: [], last_error: null, ...more,
  });
  return [
    model("yolov5n_coco", {
      version: "3", versions: ["1", "2", "3"], pinned: true, instances: 2, device: "cuda", queue_depth: Math.round(wave(t, 9, 0, 30)),
      rate: wave(t, 9, 24, 31), p50_ms: 24.1, p99_ms: 41.8, compute_p50_ms: 21.6, late: 4,
      inputs: ["images: float16[1, 3, 640, 640]"], outputs: ["output: float32[1, 3549, 85]"],
    }),
    model("mobilenet_v2_cls", { rate: 998, p50_ms: 0.31, p99_ms: 2.2, compute_p50_ms: 0.01, requests: 1_204_551, misfits: 12, inputs: ["input: float32[?, 3]"], outputs: ["logits: float32[?, 3]"] }),
    model("door_state", { state: "failed", version: "7", versions: ["6", "7"], errors: 3, last_error: "models/door_state/7/model.onnx: cannot be loaded as an ONNX model: protobuf parsing failed" }),
    model("remote_reid", { state: "unreachable", engine: "remote", device: "10.0.0.7:8008", breaker: "open", rejected: 512, last_error: "10.0.0.7:8008 does not answer" }),
  ];
}

function devices(t) {
  const board = (name, more) => ({
    name, kind: "board", state: "ready", port: `/dev/${name}`, protocol: "extended", chip: "ESP32-S3", firmware: "edgeflow 1.0",
    unique_id: "34:85:18:ab:12:9c", baud: 921_600, last_seen: t, last_error: "", queue_depth: Math.round(wave(t, 9, 0, 12)), queue_capacity: 64,
    requests: Math.round((t - started) * 120), errors: 0, rate: wave(t, 9, 110, 160), wire_p50_ms: 6.1, compute_p50_ms: 5.2, p50_ms: 12.9, p99_ms: 21.4,
    models: [], counters: {}, swap: {}, last_input: [], last_forecast: [], ...more,
  });
  const model = (id, more) => ({ id, name: "sunspots", version: 3, kind: "lstm", dtype: "float32", slot: "A", previous: "B", state: "confirmed", shape: [32, 4, 8, 32], bytes: 20_536, sha256: "9f3c21ab77aa55d1c9f3c21ab77aa55d", ...more });
  const input = Array.from({ length: 32 }, (_, i) => [0, 1, 2, 3].map((k) => Math.sin((i + t * 2) / 5 + k) * (1 - k * 0.2)));
  const ahead = Array.from({ length: 8 }, (_, i) => Math.sin((32 + i + t * 2) / 5) * 0.97);
  return [
    board("ttyACM0", { models: [model(0), model(1, { name: "vibration", dtype: "int8", kind: "layers", slot: "B", previous: "none", state: "trial", version: 1 })], last_input: input, last_forecast: ahead, counters: { requests: 120_551, crc_errors: 3, skipped_bytes: 412, swaps: 2, busiest_us: 5411 } }),
    board("ttyACM1", { state: "swapping", models: [model(0, { previous: "none" })], swap: { id: "swap-2", model: 0, step: "write", done: 12_288 + (t % 3) * 2000, total: 20_536, text: "writing into slot B" }, last_input: input, last_forecast: ahead }),
    board("ttyUSB0", { state: "lost", protocol: "reference", chip: "", firmware: "", unique_id: "", baud: 115_200, last_seen: t - 75, last_error: "/dev/ttyUSB0: unplugged", rate: 0, p50_ms: 0, models: [model(0, { slot: "file", previous: "none", name: "", version: 0, sha256: "" })], errors: 4, swap: { id: "swap-1", step: "failed", error: "the self-test vector is missed by 0.3 (allowed 0.0001)" } }),
  ];
}

const entries = [];
let nextAct = 0;
function happened(t) {
  const entry = (time, more) => {
    entries.push({ number: entries.length + 1, time, kind: "alert", level: "info", text: "", pipeline: "", agent: "", dispatcher: "", target: "", sensor: "", ok: null, latency_ms: null, detail: {}, ...more });
  };
  if (entries.length === 0) nextAct = t - 590;
  while (nextAct < t) {
    const pick = Math.random();
    const door = { pipeline: "frontdoor-vision", agent: "frontdoor_guard", sensor: "sensors/floor1/cam1/frame" };
    const air = { pipeline: "env-quality", agent: "air_quality_alert", sensor: "sensors/floor1/lab/env" };
    if (pick < 0.45) {
      entry(nextAct, { ...door, text: "person in zone frontdoor for 1.2 s", detail: { zone: "frontdoor", count: 1, detections: [{ label: "person", confidence: 0.81, bbox: [212, 96, 330, 440] }] } });
      entry(nextAct + 0.02, { ...door, kind: "action", text: "published to actuators/frontdoor", dispatcher: "mqtt_actuators", target: "actuators/frontdoor", ok: true, latency_ms: wave(nextAct, 50, 31, 48) });
    } else if (pick < 0.85) {
      const co2 = Math.round(wave(nextAct, 60, 790, 940));
      entry(nextAct, { ...air, level: "warning", text: `co2_ppm ${co2} is above 800`, detail: { metric: "co2_ppm", value: co2, threshold: 800 } });
      entry(nextAct + 0.004, { ...air, kind: "action", text: "logged", dispatcher: "log", ok: true, latency_ms: 4.2 });
    } else if (pick < 0.95) {
      entry(nextAct, { ...air, kind: "action", level: "error", text: "webhook https://hooks.example/air: 503 after 4 attempts", dispatcher: "teams", target: "https://hooks.example/air", ok: false, latency_ms: 5210 });
    } else entry(nextAct, { kind: "reload", text: "pipelines.yaml was read again: 2 pipelines, 3 agents" });
    nextAct += 4 + Math.random() * 14;
  }
  return entries.slice(-200);
}

let number = 0;
const EVENTS = [
  ["info", "detector", "faces_found", () => ({ faces: Math.floor(Math.random() * 4), score: Math.random() })],
  ["debug", "camera", "frame_captured", () => ({ id: number * 7, exposure_us: 8300 })],
  ["info", "recorder", "chunk_written", () => ({ bytes: 4_194_304, path: "door.mcap" })],
  ["warning", "gateway", "viewer_slow", () => ({ topic: "front door", skipped: 12 })],
  ["error", "climate", "node_failed", () => ({ error: "RuntimeError: stream closed by the camera (code 404)", attempt: 5 })],
  ["info", "blur", "regions_blurred", () => ({ regions: 2, ms: 4.4 })],
];

export function logLine(time = Date.now() / 1000) {
  const pick = Math.random();
  const index = pick < 0.03 ? 4 : pick < 0.1 ? 3 : [0, 1, 2, 5][Math.floor(Math.random() * 4)];
  const [level, nodeName, event, fields] = EVENTS[index];
  number += 1;
  return { time, level, node: nodeName, event, fields: fields(), number };
}

export function tap(topic) {
  const t = Date.now() / 1000;
  const image = !["climate", "vitals"].includes(topic);
  return {
    id: Math.round(t * 30) % 100_000,
    timestamp: t - 0.04,
    topic,
    meta: image ? { boxes: [[212, 96, 330, 240]], scores: [0.9312], model: "centerface" } : {},
    kind: image ? "array" : "json",
    dtype: image ? "uint8" : null,
    shape: image ? [480, 640, 3] : null,
    preview: image
      ? null
      : topic === "vitals"
        ? { person: "anna", breaths_per_min: +wave(t, 40, 13, 16).toFixed(1), heart_per_min: Math.round(wave(t, 60, 61, 74)), confidence: 0.91, bins: [3, 8, 21, 13, 5], moving: false }
        : { room: "hall", temperature_c: 21.4, humidity: 0.43, co2_ppm: 611 },
    redelivered: false,
    image,
  };
}

/** A PNG of a small street scene at time `t`. */
export function picture(topic, t = Date.now() / 1000, width = 640, height = 480) {
  const row = width * 3 + 1;
  const data = Buffer.alloc(row * height);
  const sun = { x: width * 0.75, y: height * 0.25 };
  const ball = { x: width * (0.5 + 0.35 * Math.sin(t)), y: height * (0.62 + 0.12 * Math.cos(t * 1.7)) };
  const blurred = topic === "front door";
  for (let y = 0; y < height; y += 1) {
    let at = y * row + 1;
    const ground = y > height * 0.66;
    for (let x = 0; x < width; x += 1, at += 3) {
      const glow = Math.max(0, 1 - Math.hypot(x - sun.x, y - sun.y) / 260);
      let r = ground ? 62 + (y - height * 0.66) * 0.2 : 70 + y * 0.22 + glow * 120;
      let g = ground ? 70 + (y - height * 0.66) * 0.15 : 104 + y * 0.17 + glow * 80;
      let b = ground ? 66 : 142 + y * 0.06 + glow * 20;
      const house = x > width * 0.08 && x < width * 0.36 && y > height * 0.32 && y < height * 0.72;
      if (house) [r, g, b] = x % 58 < 26 && y % 74 < 34 ? [236, 206, 140] : [110, 78, 70];
      const distance = Math.hypot(x - ball.x, y - ball.y);
      if (distance < 46) [r, g, b] = blurred ? [170, 150, 140] : [214, 168, 138];
      else if (blurred && Math.abs(x - ball.x) < 58 && Math.abs(y - ball.y) < 58) {
        if (Math.abs(x - ball.x) > 55 || Math.abs(y - ball.y) > 55) [r, g, b] = [76, 194, 255];
      }
      data[at] = r;
      data[at + 1] = g;
      data[at + 2] = b;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(data, { level: 1 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type, body) {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  const tagged = Buffer.concat([Buffer.from(type, "latin1"), body]);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(tagged));
  return Buffer.concat([head, tagged, sum]);
}

const TABLE = Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

function crc32(buffer) {
  let c = 0xffffffff;
  for (const byte of buffer) c = (TABLE[(c ^ byte) & 0xff] ^ (c >>> 8)) >>> 0;
  return (c ^ 0xffffffff) >>> 0;
}
