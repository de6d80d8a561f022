/** What the server says of nodes that sense. Names and units are those of `edgeflow.core.vitals` and `.sensing`. */

export interface VitalsUpdate {
  t: number;
  node: number;
  name: string;
  presence: boolean;
  motion: number;
  threshold: number | null;
  breathing_bpm: number | null;
  heart_bpm: number | null;
  persons: number;
  fall: boolean;
  confidence: number | null;
  breathing_confidence: number;
  heart_confidence: number;
  apnea: boolean;
  calibrated: boolean;
  degraded: boolean;
  frame_rate: number;
  rssi: number;
  source: "host" | "node";
  time: number;
  number: number;
}

export interface SensingEvent {
  kind: string;
  t: number;
  node: number;
  name: string;
  presence: boolean;
  code: number;
  value: number;
  slot: number;
  time: number;
  number: number;
}

export interface SensingNode {
  name: string;
  node: number;
  address: string;
  firmware: string;
  state: "live" | "silent";
  last_seen: number;
  frames: number;
  rate: number;
  lost: number;
  loss: number;
  late: number;
  restarts: number;
  refused: number;
  damaged: number;
  keyless: number;
  rssi: number;
  noise_floor: number;
  channel: number;
  subcarriers: number;
  packets: Record<string, number>;
  vitals: VitalsUpdate | null;
}

export interface Room {
  frames: number;
  mean: number;
  deviation: number;
  threshold: number;
}

export interface CalibrationStatus {
  state: "learning" | "known" | "remote";
  frames: number;
  wanted: number;
  asked: boolean;
  room: Room | null;
  kept: boolean;
}

export interface Glance {
  vitals: VitalsUpdate | null;
  person_bpm: number[];
  top: number[];
  calibration: CalibrationStatus;
}

export interface NodeSettings {
  tier: number;
  top_subcarriers: number;
  calibration_frames: number;
  presence_threshold: number;
  presence_sigma: number;
  fall_threshold: number;
}

export interface SensingSummary {
  nodes: number;
  live: number;
  present: number;
  rate: number;
  loss: number;
}

export interface ModuleEvent {
  id: number;
  name: string;
  value: number;
  time: number;
}

export interface SensingModule {
  id: number;
  /** `*` for one that no node has yet. */
  node: string;
  state: string;
  name: string;
  /** Absent until a node has it, like the budget. */
  binary_size?: number;
  frame_count: number;
  event_count: number;
  error_count: number;
  mean_us: number;
  max_us: number;
  budget_us?: number;
  budget_faults?: number;
  events: ModuleEvent[];
}

export interface ModuleList {
  modules: SensingModule[];
  loaded: number;
  max: number;
}
