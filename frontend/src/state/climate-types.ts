/** What the server says of a climate system. Names and units are those of `edgeflow.core.climate`; null is not known. */

type Known = number | null;

export interface ClimateSummary {
  devices: number;
  online: number;
  rate: number;
  decisions: number;
  overrides: number;
  refused: number;
  waiting_bytes: number;
  problems: string[];
}

export interface Reading {
  value: number;
  time: number;
}

export interface WindowState {
  position: number;
  time: number;
  by: "model" | "person";
  confidence: Known;
  note: string;
}

export interface ClimateDevice {
  device_id: string;
  name: string;
  location: string;
  kind: string;
  online: boolean;
  registered_at: number;
  last_seen: number;
  groups: string[];
  tags: string[];
  silence_seconds: number;
  /** It was only tried, long ago: nobody misses it. */
  left: boolean;
  silent: string[];
  failure: string;
  configuration: string;
  sensors: Record<string, number>;
  readings: Record<string, Reading>;
  window: WindowState | null;
}

export interface DeviceList {
  devices: ClimateDevice[];
  total: number;
  online: number;
  left: number;
  groups: string[];
  tags: string[];
}

export interface ChartLine {
  label: string;
  values: Known[];
}

export interface ChartData {
  since: number;
  step: number;
  lines: ChartLine[];
}

export interface DecisionRow {
  device_id: string;
  time: number;
  position: number;
  confidence: Known;
  temperature: Known;
  humidity: Known;
  sound_volume: Known;
  rule: string;
  model_version: string;
  inference_time_ms: Known;
  reason: string;
  z_scores: Known[];
  wanted: Known;
}

export interface OverviewPage {
  time: number;
  seconds: number;
  features: Record<string, ChartData>;
  throughput: ChartData;
  decisions: DecisionRow[];
  decided: number;
  overridden: number;
}

export interface Configuration {
  version: number;
  state: string;
  desired: Record<string, unknown>;
  reported: Record<string, unknown>;
  reason: string;
  asked: number;
  answered: number;
}

export interface Trouble {
  time: number;
  device_id: string;
  kind: string;
  source: string;
  detail: string;
}

export interface DevicePage {
  time: number;
  seconds: number;
  device: ClimateDevice;
  configuration: Configuration;
  sensors: Record<string, ChartData>;
  window: ChartData;
  confidence: ChartData;
  overrides: { time: number; position: number; person: string }[];
  decisions: DecisionRow[];
  openness: Record<string, number>;
  events: Trouble[];
}

export interface ModelRow {
  version: string;
  current: boolean;
  created: Known;
  parent: string;
  labels: number;
  error: Known;
  parent_error: Known;
  decisions: number;
  mean_confidence: Known;
}

export interface Reliability {
  promised: number[];
  kept: number[];
  counts: number[];
  error: number;
}

export interface LearningPage {
  time: number;
  seconds: number;
  decided: number;
  overridden: number;
  devices: number;
  sampled: number;
  confidence: [Known, Known];
  error: Known;
  within: Known;
  kept: Known;
  by_device: [string, number, Known][];
  histogram: number[];
  rate: ChartData;
  latency: ChartData;
  response: ChartData;
  errors: ChartData;
  reliability: Reliability;
  correlations: Record<string, Known>;
  points: Known[][];
  reasons: Record<string, number>;
  models: ModelRow[];
  can_change: boolean;
  counters: Record<string, number>;
  drift: Record<string, number>;
  shifted: number;
}

export interface ServiceRow {
  service: string;
  state: string;
  detail: string;
  time: number;
  value: Known;
}

export interface QueryTime {
  question: string;
  count: number;
  last_ms: number;
  p50_ms: number;
  p95_ms: number;
  errors: number;
}

export interface HealthPage {
  time: number;
  seconds: number;
  store_error: string;
  services: ServiceRow[];
  rates: ChartData;
  ingest: ChartData;
  rows: Record<string, number>;
  batches: ChartData;
  queries: QueryTime[];
  errors: ChartData;
  troubles: Trouble[];
  counters: Record<string, number>;
}
