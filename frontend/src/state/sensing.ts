/** Nodes that sense: what the live feed says of all of them, and of the one that is looked at. */

import { batch, signal } from "@preact/signals";

import { allowed, getJson, socketAddress } from "./api";
import { AMPLITUDES, blocksOf, PHASES, phasesOf, PREVIEW } from "./blocks";
import { Connection, type ConnectionState, type Socket } from "./connection";
import { append } from "./numbered";
import { Rows } from "./rows";
import type { Glance, SensingEvent, SensingNode, VitalsUpdate } from "./sensing-types";

export const EVENTS_CAPACITY = 300;
export const UPDATES_CAPACITY = 300;
export const PREVIEWS = 12;
const PREVIEW_SHOWN = 120;
const PREVIEW_BINS = 32;

export const nodes = signal<readonly SensingNode[] | null>(null);
export const glance = signal<Glance | null>(null);
export const events = signal<readonly SensingEvent[]>([]);
export const updates = signal<readonly VitalsUpdate[]>([]);
export const feed = signal<ConnectionState>("connecting");
/** The node that is looked at. */
export const looked = signal("");

/** What is drawn frame by frame; no signals, so that nothing is rendered anew for it. */
export const rows = new Rows();
export const frame: Frame = { amplitudes: new Uint8Array(0), phases: new Float32Array(0), version: 0, missed: 0 };
export const previews = new Map<string, Preview>();

interface Frame {
  amplitudes: Uint8Array;
  phases: Float32Array;
  version: number;
  missed: number;
}

/** A node's last columns, small. */
export class Preview {
  count = 0;
  readonly columns = new Uint8Array(PREVIEW_SHOWN * PREVIEW_BINS);
  static readonly shown = PREVIEW_SHOWN;
  static readonly bins = PREVIEW_BINS;

  push(bytes: Uint8Array): void {
    this.columns.set(bytes.subarray(0, PREVIEW_BINS), (this.count % PREVIEW_SHOWN) * PREVIEW_BINS);
    this.count += 1;
  }
}

interface Message {
  nodes?: SensingNode[];
  glance?: Glance;
  events?: SensingEvent[];
  updates?: VitalsUpdate[];
}

export function takeFigures(text: string): void {
  const said = JSON.parse(text) as Message;
  batch(() => {
    if (said.nodes) {
      nodes.value = said.nodes;
      forget(said.nodes);
    }
    if (said.glance) glance.value = said.glance;
    if (said.events) events.value = append(events.value, said.events, EVENTS_CAPACITY);
    if (said.updates) updates.value = append(updates.value, said.updates, UPDATES_CAPACITY);
  });
}

export function takeFrames(message: ArrayBuffer): void {
  for (const block of blocksOf(message)) {
    if (block.kind === PREVIEW) {
      const preview = previews.get(block.node) ?? new Preview();
      previews.set(block.node, preview);
      preview.push(block.bytes);
    } else if (block.node === looked.peek()) {
      if (block.kind === AMPLITUDES) {
        rows.push(block.bytes, block.columns, block.time);
        frame.amplitudes = block.bytes.slice(-block.columns);
        frame.missed += block.missed;
      } else if (block.kind === PHASES) frame.phases = phasesOf(block);
      frame.version += 1;
    }
  }
}

function forget(known: readonly SensingNode[]): void {
  const names = new Set(known.map((node) => node.name));
  for (const name of previews.keys()) if (!names.has(name)) previews.delete(name);
}

/** Look at a node until the returned function is called. */
export function look(name: string): () => void {
  batch(() => {
    looked.value = name;
    glance.value = null;
    updates.value = [];
  });
  rows.clear();
  frame.amplitudes = new Uint8Array(0);
  frame.phases = new Float32Array(0);
  frame.version += 1;
  frame.missed = 0;
  const link = new Connection({
    open: () => opened(`ws/csi/live?node=${encodeURIComponent(name)}&previews=${PREVIEWS}`),
    allowed,
    onState: (state) => {
      feed.value = state;
      if (state === "live") void loadEarlier(name);
      else if (state === "lost") forgetNews(); // a server that starts anew counts anew
    },
    onMessage: takeFigures,
    onBytes: takeFrames,
  });
  link.start();
  const onVisible = (): void => {
    if (!document.hidden) link.retryNow();
  };
  document.addEventListener("visibilitychange", onVisible);
  return () => {
    document.removeEventListener("visibilitychange", onVisible);
    link.stop();
  };
}

function forgetNews(): void {
  batch(() => {
    events.value = [];
    updates.value = [];
  });
}

function opened(path: string): Socket {
  const socket = new WebSocket(socketAddress(path));
  socket.binaryType = "arraybuffer";
  return socket as unknown as Socket;
}

async function loadEarlier(name: string): Promise<void> {
  try {
    const [earlier, said] = await Promise.all([
      name ? getJson<VitalsUpdate[]>(`api/csi/nodes/${encodeURIComponent(name)}/history`) : [],
      getJson<(VitalsUpdate | SensingEvent)[]>("api/csi/news?limit=2000"),
    ]);
    if (name !== looked.peek()) return;
    batch(() => {
      updates.value = append(updates.value, earlier, UPDATES_CAPACITY);
      events.value = append(events.value, said.filter((each) => "kind" in each), EVENTS_CAPACITY);
    });
  } catch {
    // The feed goes on without what was before it.
  }
}
