import { describe, expect, it } from "vitest";

import { bottleneckSentence, deviceTotals, health, totals } from "../src/state/health";
import { board, flow, link, node, path, stream } from "./flow";

describe("health", () => {
  it("is well when all runs and moves", () => {
    expect(health(flow({ nodes: [node("a")] }), [stream("a")])).toEqual({ level: "ok", text: "Healthy", problems: [] });
  });

  it("names what failed first, with the first line of the reason", () => {
    const nodes = [node("slow", { state: "restarting" }), node("dead", { state: "failed", last_error: "Boom\n  at x" })];
    const now = health(flow({ nodes }), []);
    expect(now.level).toBe("bad");
    expect(now.problems.map((each) => `${each.subject} ${each.text}`)).toEqual(["dead failed: Boom", "slow restarting"]);
  });

  it("warns of missing replicas and of streams that stand still", () => {
    const now = health(flow({ nodes: [node("a", { replicas: 3, alive: 2 })] }), [stream("door", { stalled: true, age_s: 3.4 })]);
    expect(now.text).toBe("2 warnings");
    expect(now.problems.map((each) => each.text)).toEqual(["2 of 3 replicas alive", "no frame for 3 s"]);
  });

  it("warns of a node that goes on after an error, for a minute", () => {
    const failing = [node("disk", { last_error: "Full", last_error_time: 1000 })];
    expect(health(flow({ nodes: failing, time: 1030 }), []).problems[0]?.text).toBe("raised Full");
    expect(health(flow({ nodes: failing, time: 1090 }), []).level).toBe("ok");
  });

  it("counts frames that were skipped apart from frames that were lost", () => {
    const links = [link("a", "b", { dropped: 5 }), link("a", "c", { dropped: 2, qos: "balanced" })];
    const sum = totals(flow({ nodes: [node("a", { role: "producer", rate_out: 30 })], links }), []);
    expect(sum).toMatchObject({ framesIn: 30, droppedRealtime: 5, droppedQueued: 2 });
  });
});

describe("bottleneck", () => {
  const segments = [
    { kind: "node" as const, name: "camera", start_ms: 0, p50_ms: 11, p99_ms: 12 },
    { kind: "node" as const, name: "detector", start_ms: 11, p50_ms: 30, p99_ms: 40 },
  ];

  it("is told in words", () => {
    expect(bottleneckSentence(path(segments, "detector"))).toBe("73% of 41 ms is spent in detector");
  });

  it("may be a link", () => {
    const way = [{ kind: "link" as const, name: "a -> b", start_ms: 0, p50_ms: 8, p99_ms: 9 }];
    expect(bottleneckSentence(path(way, "a -> b"))).toBe("100% of 8.0 ms is spent on the way a → b");
  });

  it("is unknown without frames", () => {
    expect(bottleneckSentence(path([], ""))).toMatch(/No frame/);
  });
});

describe("devices", () => {
  it("are problems when they are lost or have no model", () => {
    const boards = [board("a"), board("b", { state: "no-model" }), board("c", { state: "lost", last_error: "unplugged\nat x" })];
    const now = health(flow(), [], boards);
    expect(now.problems.map((each) => `${each.subject} ${each.text}`)).toEqual(["c lost: unplugged", "b has no model"]);
    expect(now.level).toBe("bad");
  });

  it("are added up", () => {
    const boards = [board("a", { rate: 3, requests: 5, queue_depth: 2 }), board("b", { state: "lost", rate: 1, errors: 4 })];
    expect(deviceTotals(boards)).toEqual({ ready: 1, all: 2, rate: 4, requests: 5, errors: 4, waiting: 2 });
  });
});
