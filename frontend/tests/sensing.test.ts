import { beforeEach, describe, expect, it } from "vitest";

import { AMPLITUDES, blocksOf, PHASES, phasesOf, PREVIEW } from "../src/state/blocks";
import { health } from "../src/state/health";
import { CAPACITY, Rows } from "../src/state/rows";
import { events, frame, glance, looked, nodes, Preview, previews, rows, takeFigures, takeFrames, updates } from "../src/state/sensing";
import type { SensingEvent, SensingNode, VitalsUpdate } from "../src/state/sensing-types";
import { figures } from "../src/views/sensing";
import { parsed } from "../src/views/sensing/calibration";
import { scaleOf } from "../src/views/sensing/colours";
import { wordsOf } from "../src/views/sensing/events";
import { runs } from "../src/views/sensing/newest";
import { stateOf } from "../src/views/sensing/nodes";
import { parts, placeOf, presenceShare } from "../src/views/sensing/timeline";
import { whyNot } from "../src/views/sensing/vitals";
import { ticks } from "../src/views/sensing/waterfall";
import { flow } from "./flow";

function block(kind: number, node: string, columns: number, values: number[], time = 10, missed = 0): number[] {
  const name = [...new TextEncoder().encode(node)];
  const size = kind === PHASES ? 2 : 1;
  const head = new DataView(new ArrayBuffer(16));
  head.setUint8(0, kind);
  head.setUint8(1, name.length);
  head.setUint16(2, columns, true);
  head.setUint16(4, values.length / size / columns, true);
  head.setUint16(6, missed, true);
  head.setFloat64(8, time, true);
  return [...new Uint8Array(head.buffer), ...name, ...values];
}

function message(...blocks: number[][]): ArrayBuffer {
  return new Uint8Array(blocks.flat()).buffer;
}

export function update(number: number, more: Partial<VitalsUpdate> = {}): VitalsUpdate {
  return {
    t: number, node: 7, name: "7", presence: true, motion: 0.5, threshold: 0.12, breathing_bpm: null, heart_bpm: null, persons: 1,
    fall: false, apnea: false, confidence: 0.9, breathing_confidence: 0, heart_confidence: 0, calibrated: true, degraded: false, frame_rate: 50,
    rssi: -60, source: "host", time: number, number, ...more,
  };
}

function node(more: Partial<SensingNode> = {}): SensingNode {
  return {
    name: "7", node: 7, address: "", firmware: "raw", state: "live", last_seen: 0, frames: 100, rate: 50, lost: 0, loss: 0, late: 0, restarts: 0,
    refused: 0, damaged: 0, keyless: 0, rssi: -60, noise_floor: 0, channel: 6, subcarriers: 64, packets: {}, vitals: null, ...more,
  };
}

function event(kind: string, more: Partial<SensingEvent> = {}): SensingEvent {
  return { kind, t: 0, node: 7, name: "7", presence: false, code: 0, value: 0, slot: 0, time: 0, number: 1, ...more };
}

describe("blocks of a message", () => {
  it("are read one after the other", () => {
    const [first, second] = blocksOf(message(block(AMPLITUDES, "7@ü", 2, [1, 2, 3, 4], 5, 3), block(PREVIEW, "8", 2, [9, 9])));
    expect(first).toMatchObject({ kind: AMPLITUDES, node: "7@ü", columns: 2, rows: 2, time: 5, missed: 3 });
    expect([...(first?.bytes ?? [])]).toEqual([1, 2, 3, 4]);
    expect(second?.node).toBe("8");
  });

  it("end where the message does", () => {
    const whole = block(AMPLITUDES, "7", 4, [1, 2, 3, 4]);
    for (let length = 0; length < whole.length; length += 1) expect(blocksOf(message(whole.slice(0, length)))).toEqual([]);
  });

  it("hold phases as thousandths, negative ones too", () => {
    const [phases] = blocksOf(message(block(PHASES, "7", 2, [0x0c, 0xfe, 0xf4, 0x01])));
    expect([...phasesOf(phases!)].map((value) => +value.toFixed(3))).toEqual([-0.5, 0.5]);
  });
});

describe("the last minute of a node", () => {
  it("has a column per 50 ms", () => {
    const kept = new Rows();
    kept.push(new Uint8Array([100, 0, 100, 0]), 2, 10);
    kept.push(new Uint8Array([120, 0]), 2, 10.05);
    expect([kept.count, kept.bins]).toEqual([3, 2]);
    expect(kept.column(2, "level")[0]).toBe(120);
    expect(kept.column(2, "change")[0]).toBe(80);
    expect(kept.column(2, "change")[1]).toBe(0);
  });

  it("holds over a short gap and is blank in a long one", () => {
    const kept = new Rows();
    kept.push(new Uint8Array([100]), 1, 10);
    kept.push(new Uint8Array([50]), 1, 10.2);
    expect([kept.count, kept.column(2, "level")[0]]).toEqual([5, 100]);
    kept.push(new Uint8Array([60]), 1, 15.2);
    expect([kept.count, kept.column(50, "level")[0]]).toEqual([105, 0]);
  });

  it("never grows beyond its room", () => {
    const kept = new Rows();
    for (let number = 0; number < CAPACITY + 10; number += 1) kept.push(new Uint8Array([1 + (number % 200)]), 1, 10 + number * 0.05);
    expect([kept.count, kept.first]).toEqual([CAPACITY + 10, 10]);
    kept.push(new Uint8Array([7]), 1, 1e9);
    expect(kept.count - kept.first).toBe(CAPACITY);
    expect(kept.column(kept.count - 1, "level")[0]).toBe(7);
  });

  it("knows the range that is worth a colour", () => {
    const kept = new Rows();
    expect(kept.range("level")).toEqual([0, 255]);
    for (let number = 0; number < 400; number += 1) kept.push(new Uint8Array([0, 90, 110]), 3, 10 + number * 0.05);
    expect(kept.range("level")).toEqual([90, 110]);
    expect(kept.range("change")[1]).toBe(8);
  });

  it("takes frames of other lengths", () => {
    const kept = new Rows();
    kept.push(new Uint8Array([1, 2, 3, 4]), 4, 10);
    kept.push(new Uint8Array([5, 6]), 2, 10.05);
    expect([...kept.column(1, "level").subarray(0, 4)]).toEqual([5, 6, 0, 0]);
    expect(kept.bins).toBe(4);
  });
});

describe("the feed", () => {
  beforeEach(() => {
    looked.value = "7";
    nodes.value = null;
    events.value = updates.value = [];
    previews.clear();
    rows.clear();
  });

  it("fills what is drawn of the node that is looked at", () => {
    const version = frame.version;
    takeFrames(message(block(AMPLITUDES, "7", 2, [100, 0, 90, 0]), block(PHASES, "7", 1, [1, 0]), block(AMPLITUDES, "8", 2, [1, 1])));
    expect([...frame.amplitudes]).toEqual([90, 0]);
    expect([rows.count, frame.version]).toEqual([2, version + 2]);
  });

  it("keeps small pictures of nodes that are there", () => {
    takeFrames(message(block(PREVIEW, "8", 32, Array(32).fill(50))));
    expect(previews.get("8")?.count).toBe(1);
    takeFigures(JSON.stringify({ nodes: [node()] }));
    expect(previews.has("8")).toBe(false);
    const small = new Preview();
    for (let number = 0; number < 300; number += 1) small.push(new Uint8Array(32).fill(number % 200));
    expect(small.columns.length).toBe(Preview.shown * Preview.bins);
  });

  it("keeps figures, events and updates, each once", () => {
    const said = { glance: { vitals: null, person_bpm: [], top: [3], calibration: {} }, events: [event("fall", { number: 4 })], updates: [update(3)] };
    takeFigures(JSON.stringify(said));
    takeFigures(JSON.stringify(said));
    expect(glance.value?.top).toEqual([3]);
    expect([events.value.length, updates.value.length]).toEqual([1, 1]);
  });
});

describe("the page", () => {
  it("says why there is no reading, as far as it knows", () => {
    expect(whyNot(null)).toBe("nothing is heard");
    expect(whyNot(update(1, { degraded: true }))).toBe("too few frames");
    expect(whyNot(update(1, { presence: false }))).toBe("nobody there");
    expect(whyNot(update(1))).toBe("not sure enough");
  });

  it("shows loudly what is wrong with a node", () => {
    expect(stateOf(node())).toEqual(["ok", "live"]);
    expect(stateOf(node({ vitals: update(1, { degraded: true }) }))[0]).toBe("warn");
    expect(stateOf(node({ state: "silent", last_seen: Date.now() / 1000 - 65 }))).toEqual(["bad", "silent, 1 min 05 s ago"]);
    expect(figures(node({ loss: 0.2 })).find((each) => each.label === "Lost")).toEqual({ label: "Lost", value: "20.0 %", level: "warn" });
    expect(figures(node({ rssi: 0, channel: 0 })).filter((each) => each.value === "–").map((each) => each.label)).toEqual(["RSSI", "Channel"]);
  });

  it("has words for every event, known or not", () => {
    expect(wordsOf(event("fall"))[1]).toBe("bad");
    expect(wordsOf(event("presence", { presence: true }))[2]).toBe("somebody came");
    expect(wordsOf(event("module", { slot: 2, code: 400, value: 1.25 }))[2]).toBe("module 2: 400 = 1.25");
    expect(wordsOf(event("door_opened"))[2]).toBe("door opened");
  });

  it("breaks its lines where nothing was heard and its plots where nothing is carried", () => {
    expect(parts([update(1), update(2), update(9)]).map((part) => part.length)).toEqual([2, 1]);
    expect(runs(new Uint8Array([0, 5, 5, 0, 7]))).toEqual([[1, 3], [4, 5]]);
    expect(runs(new Uint8Array([0, 0]))).toEqual([]);
  });

  it("draws the threshold where it can be seen", () => {
    expect(placeOf(0.12, 3)).toBeCloseTo(0.2);
    expect([placeOf(-1, 3), placeOf(9, 3)]).toEqual([0, 1]);
    expect(presenceShare([])).toBeNull();
    expect(presenceShare([update(1), update(2, { presence: false })])).toBe(0.5);
  });

  it("marks time in seconds from the right", () => expect(ticks(450)).toEqual([[200, "−10 s"], [400, "−20 s"]]));

  it("grows lighter in the dark and darker in the light", () => {
    const light = (colour: number): number => (colour & 255) + ((colour >> 8) & 255) + ((colour >> 16) & 255);
    const [dark, bright] = [scaleOf("dark"), scaleOf("light")];
    for (let step = 16; step < 256; step += 16) {
      expect(light(dark[step]!)).toBeGreaterThan(light(dark[step - 16]!));
      expect(light(bright[step]!)).toBeLessThan(light(bright[step - 16]!));
    }
  });

  it("takes only files that look like a calibration", () => {
    expect(parsed('{"threshold": 0.2}')).toEqual({ threshold: 0.2 });
    expect([parsed("[1]"), parsed("no"), parsed("null")]).toEqual([null, null, null]);
  });

  it("tells of silent nodes where health is told", () => {
    const summary = { nodes: 3, live: 1, present: 0, rate: 50, loss: 0 };
    expect(health(flow(), [], [], summary).problems[0]).toMatchObject({ subject: "2 sensing nodes", route: "#/sensing" });
    expect(health(flow(), [], [], { ...summary, live: 3 }).level).toBe("ok");
  });
});
