import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { parseRoute, routeTo } from "../src/state/route";
import { filterLines, NO_FILTER } from "../src/state/logs";
import { append } from "../src/state/numbered";
import { Series } from "../src/state/history";
import { apply, logs, merge, nodeHistory, status } from "../src/state/store";
import { flow, line, message, node } from "./flow";

beforeEach(() => vi.stubGlobal("fetch", () => Promise.reject(new Error("no server"))));
afterEach(() => vi.unstubAllGlobals());

describe("store", () => {
  it("keeps the newest status and appends what was logged", () => {
    apply(message({ status: flow({ started: 5 }), logs: [line(1), line(2)] }));
    apply(message({ status: flow({ started: 5, time: 11 }), logs: [line(2), line(3)] }));
    expect(status.value?.time).toBe(11);
    expect(logs.value.map((each) => each.number)).toEqual([1, 2, 3]);
  });

  it("starts over when the flow was started again", () => {
    apply(message({ status: flow({ started: 6, nodes: [node("a")] }), logs: [line(40)] }));
    apply(message({ status: flow({ started: 7, nodes: [node("b")] }), logs: [line(1)] }));
    expect(logs.value.map((each) => each.number)).toEqual([1]);
    expect(nodeHistory.of("a").times).toEqual([]);
    expect(nodeHistory.of("b").times).toEqual([10]);
  });

  it("merges messages that came between two paints without losing a line", () => {
    const first = message({ logs: [line(1)] });
    const second = message({ status: flow({ time: 12 }), logs: [line(2)] });
    const both = merge(first, second);
    expect(both.status.time).toBe(12);
    expect(both.logs.map((each) => each.number)).toEqual([1, 2]);
    expect(merge(message({ status: flow({ started: 0 }) }), second)).toBe(second);
  });
});

describe("log lines", () => {
  it("are bounded, in order, each once; earlier ones go in front", () => {
    const known = append([], [line(5), line(6)], 100);
    expect(append(known, [line(3), line(5), line(7)], 100).map((each) => each.number)).toEqual([3, 5, 6, 7]);
    expect(append([line(1), line(9)], [line(4)], 100).map((each) => each.number)).toEqual([1, 4, 9]);
    expect(append(known, [line(7), line(8)], 3).map((each) => each.number)).toEqual([6, 7, 8]);
    expect(append(known, [line(6)], 100)).toBe(known);
  });

  it("are filtered by words, level and node", () => {
    const lines = [
      line(1, { level: "debug" }),
      line(2, { level: "error", fields: { reason: "Lens Cap" } }),
      line(3, { level: "critical", node: "blur" }),
    ];
    const numbers = (filter: object): number[] => filterLines(lines, { ...NO_FILTER, ...filter }).map((each) => each.number);
    expect(numbers({ text: "cap LENS" })).toEqual([2]);
    expect(numbers({ level: "error" })).toEqual([2, 3]);
    expect(numbers({ node: "blur" })).toEqual([3]);
    expect(numbers({ text: "nothing" })).toEqual([]);
  });
});

describe("series", () => {
  it("keep the newest samples and ignore one that is not newer", () => {
    const series = new Series(2, 3);
    [1, 2, 2, 3, 4].forEach((time) => series.push(time, time * 10, 0));
    expect(series.times).toEqual([2, 3, 4]);
    expect(series.values[0]).toEqual([20, 30, 40]);
  });
});

describe("routes", () => {
  it("survive names with slashes and spaces", () => {
    const hash = routeTo("topology", "node", "front door/left");
    expect(parseRoute(hash)).toEqual({ view: "topology", rest: ["node", "front door/left"], chosen: true });
  });

  it("fall back to the live view", () => {
    expect(parseRoute("#/nonsense")).toEqual({ view: "live", rest: [], chosen: false });
    expect(parseRoute("#/topology/node/%")).toEqual({ view: "topology", rest: ["node", "%"], chosen: true });
  });
});
