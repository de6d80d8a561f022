import { describe, expect, it } from "vitest";

import { alarms, aheadOf, decisions, missedBy, open, sensesOf, somebody, trendOf } from "../src/state/room";
import type { Activity, TappedFrame } from "../src/state/types";
import { agreement } from "../src/views/room";
import { pieces, rangeOf, stretches } from "../src/views/room/curve";

function frame(preview: unknown, result: unknown = {}): TappedFrame {
  return { preview, meta: { result } } as unknown as TappedFrame;
}

const FUSED = {
  time: 100,
  camera: { detections: [{ label: "face" }] },
  csi: { presence: true, breathing_bpm: 14.2, breathing_confidence: 0.8 },
  air: { temperature: 21.5, humidity: 44, sound_volume: -50, window_position: 30 },
  missing: [],
};

describe("the senses of a room", () => {
  it("are read as they are fused", () => {
    const senses = sensesOf(frame(FUSED));
    expect(senses).toMatchObject({ faces: 1, present: true, breathing: 14.2, temperature: 21.5, window: 30 });
    expect(somebody(senses)).toBe(true);
  });

  it("say nothing where they are silent", () => {
    const senses = sensesOf(frame({ time: 1, csi: { presence: "yes" }, missing: ["camera"] }));
    expect(senses).toMatchObject({ faces: null, present: null, temperature: null });
    expect(somebody(senses)).toBeNull();
    expect(senses && agreement(senses)).toBe("camera silent");
    expect(sensesOf(frame("cut text"))).toBeNull();
    expect(sensesOf(null)).toBeNull();
  });

  it("agree, or do not", () => {
    const of = (camera: number, csi: boolean): string => {
      const senses = sensesOf(frame({ ...FUSED, camera: { detections: Array(camera).fill({}) }, csi: { presence: csi } }));
      return senses ? agreement(senses) : "";
    };
    expect(of(1, true)).toBe("camera and WiFi agree");
    expect(of(0, false)).toBe("camera and WiFi agree");
    expect(of(0, true)).toContain("the camera does not");
    expect(of(2, false)).toContain("WiFi does not");
  });
});

describe("the curves of a room", () => {
  const trend = { times: [0, 2, 4, 30], values: { t: [20, 21, null, 23] } };

  it("come from what the flow keeps", () => {
    expect(trendOf(frame({}, { history: trend }))).toEqual(trend);
    expect(trendOf(frame({}, { history: { times: [1], values: { t: [1, 2] } } })).values).toEqual({});
    expect(aheadOf(frame({}, { forecast: { values: [1, 2], times: [5, 6], filled: 0.5 } }))?.filled).toBe(0.5);
    expect(aheadOf(frame({}, { forecast: { values: [1], times: [] } }))).toBeNull();
  });

  it("break where nothing was heard", () => {
    const line = { label: "t", tone: "accent" as const, times: trend.times, values: trend.values.t };
    expect(pieces(line, 0)).toEqual([[[0, 20], [2, 21]], [[30, 23]]]);
    expect(rangeOf([line], 0, 10)[0]).toBeLessThan(17);
    expect(rangeOf([], 0, 10)).toEqual([0, 10]);
  });

  it("show when somebody was there", () => {
    const line = { label: "x", tone: "accent" as const, times: [0, 2, 4, 6], values: [0, 1, 1, 0] };
    expect(stretches(line, 8)).toEqual([[2, 6]]);
  });

  it("tell how wrong forecasts were", () => {
    const told = { times: [0, 10], values: { f: [21, 22] } };
    const came = { times: [19, 20, 29, 30], values: { t: [0, 21.5, 0, 22] } };
    expect(missedBy(told, came, "f", "t", 20)).toBeCloseTo(0.25);
    expect(missedBy(told, { times: [], values: {} }, "f", "t", 20)).toBeNull();
  });
});

describe("what followed", () => {
  const entry = (agent: string, event: string): Activity => ({ kind: "alert", agent, detail: { event } }) as unknown as Activity;

  it("is sorted into moves, alarms and those that have not ended", () => {
    const all = [entry("window", "window"), entry("a", "alarm"), entry("b", "alarm"), entry("a", "cleared")];
    expect(decisions(all)).toHaveLength(1);
    expect(alarms(all).map((each) => each.agent)).toEqual(["a", "b", "a"]);
    expect(open(all).map((each) => each.agent)).toEqual(["b"]);
  });
});
