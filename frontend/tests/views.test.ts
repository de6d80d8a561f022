import { describe, expect, it } from "vitest";

import { callAddress, groups, outline, outlineText, type Document } from "../src/docs/openapi";
import { commonAspect } from "../src/views/live";
import { gridFor } from "../src/views/live/grid";
import { Slots } from "../src/views/live/slots";
import type { DeviceModel } from "../src/state/types";
import { latencyInto } from "../src/views/live/video-tile";
import { scaleEnd } from "../src/views/latency";
import { fit } from "../src/views/topology/select";
import { figures as boardFigures, hasBefore } from "../src/views/boards";
import { parts } from "../src/views/boards/split";
import { scaleOf } from "../src/views/boards/forecast";
import { figures } from "../src/views/models";
import { board, model, path } from "./flow";

describe("live tiles", () => {
  const area = (width: number, height: number): { width: number; height: number; rem: number } => ({ width, height, rem: 16 });

  it("share a wide window", () => expect(gridFor(2, 1.33, area(1404, 780)).columns).toBe(2));
  it("stand below each other on a phone", () => expect(gridFor(3, 1.33, area(366, 640))).toEqual({ columns: 1, width: null }));
  it("leave no single tile taller than the window", () => {
    const { width } = gridFor(1, 1.33, area(2500, 1300));
    expect(width).toBeLessThanOrEqual(1300 * 1.33);
  });
  it("scroll when there are many", () => expect(gridFor(40, 1.33, area(1404, 780))).toEqual({ columns: 4, width: null }));

  it("take the shape that most pictures have", () => {
    expect(commonAspect([[480, 640], [480, 640, 3], [1080, 1920, 3], null])).toBe(1.33);
    expect(commonAspect([[100, 5000]])).toBe(1.78);
  });

  it("hold a bounded number of connections", () => {
    const slots = new Slots(1);
    const [a, b] = [{}, {}];
    expect([slots.take(a), slots.take(a), slots.take(b)]).toEqual([true, true, false]);
    slots.release(a);
    expect(slots.take(b)).toBe(true);
  });

  it("show the latency of the path that ends in them", () => {
    const common = { topic: "b", qos: "realtime", codec: "raw", via: null, capacity: 1 };
    const flow = {
      name: "door",
      nodes: [{ name: "web", role: "gateway" as const, replicas: 1, device: null, place: "", options: {} }],
      links: [{ ...common, source: "b", target: "web", channel: "front" }],
    };
    const known = [{ ...path([], ""), path: ["a", "b", "web"], p50_ms: 41 }];
    expect(latencyInto("front", flow, known)).toBe(41);
    expect(latencyInto("b", flow, known)).toBeNull();
    expect(latencyInto("front", null, known)).toBeNull();
  });
});

describe("a model", () => {
  it("tells requests that do not fit it once there are some", () => {
    const told = (misfits: number): unknown => figures(model("yolo", { misfits })).find((each) => each.label === "Misfits");
    expect(told(0)).toBeUndefined();
    expect(told(12)).toEqual({ label: "Misfits", value: "12", level: "warn" });
  });
});

describe("drawing", () => {
  it("cuts names that do not fit", () => {
    expect(fit("camera", 100, 8)).toBe("camera");
    expect(fit("a-very-long-name", 80, 8)).toBe("a-very-lo…");
  });

  it("scales a waterfall to its furthest tail", () => {
    expect(scaleEnd(path([{ kind: "node", name: "a", start_ms: 5, p50_ms: 1, p99_ms: 30 }], "a"))).toBe(35);
  });
});

describe("API reference", () => {
  const document: Document = {
    info: { title: "API", version: "1" },
    tags: [{ name: "flow", description: "the flow" }],
    paths: {
      "/api/tap/{topic}": {
        parameters: {},
        get: {
          tags: ["streams"],
          parameters: [{ name: "topic", in: "path", required: true }, { name: "limit", in: "query" }],
        },
      },
      "/api/status": { get: { tags: ["flow"] }, post: {} },
    },
    components: {
      schemas: {
        Node: {
          type: "object",
          properties: { name: { type: "string" }, next: { $ref: "#/components/schemas/Node" }, state: { enum: ["on", "off"] } },
        },
      },
    },
  };

  it("groups operations by tag, declared tags first", () => {
    expect(groups(document).map((group) => [group.name, group.operations.length])).toEqual([
      ["flow", 1],
      ["streams", 1],
      ["general", 1],
    ]);
  });

  it("outlines a schema that contains itself", () => {
    const text = outlineText(outline({ $ref: "#/components/schemas/Node" }, document));
    expect(text).toContain('state: "on" | "off"');
    expect(text).toContain("…");
  });

  it("fills parameters into the address of a call", () => {
    const tap = groups(document)[1]?.operations[0];
    expect(tap && callAddress(tap, { topic: "front door", limit: "3" })).toBe("api/tap/front%20door?limit=3");
  });
});

describe("boards", () => {
  it("divide the time of a request", () => {
    const shown = parts(board("a", { p50_ms: 10, wire_p50_ms: 6, compute_p50_ms: 3 }));
    expect(shown.map((part) => [part.name, part.value])).toEqual([["wire", 6], ["compute", 3], ["waiting", 1]]);
  });
  it("show no part that takes no time, and none that is longer than the whole", () => {
    const shown = parts(board("a", { p50_ms: 5, wire_p50_ms: 9, compute_p50_ms: 3 }));
    expect(shown.map((part) => [part.name, part.value])).toEqual([["wire", 5]]);
    expect(parts(board("a"))).toEqual([]);
  });
  it("mark errors", () => {
    expect(boardFigures(board("a", { errors: 1 })).find((each) => each.label === "Errors")?.level).toBe("warn");
    expect(boardFigures(board("a")).find((each) => each.label === "Errors")?.level).toBeUndefined();
  });
  it("offer the way back where there is one", () => {
    const model = { previous: "none", slot: "file" } as DeviceModel;
    expect(hasBefore(board("a"), model)).toBe(false);
    expect(hasBefore(board("a"), { ...model, slot: "A", previous: "file" })).toBe(true);
    const flashed = { protocol: "reference", swap: { step: "done" } };
    expect(hasBefore(board("a", flashed), model)).toBe(true);
    expect(hasBefore(board("a", { protocol: "reference" }), model)).toBe(false);
  });
  it("scale a flat forecast without dividing by nothing", () => {
    const scale = scaleOf([[1], [1]], [1]);
    expect(Number.isFinite(scale.y(1))).toBe(true);
    expect(scale.x(2)).toBeGreaterThan(scale.x(0));
  });
});
