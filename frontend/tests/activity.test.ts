import { beforeEach, describe, expect, it, vi } from "vitest";

import { bars, filterActivity, kindOf, NO_FILTER, pipelinesOf, summary } from "../src/state/activity";
import { activity, apply, decides, merge } from "../src/state/store";
import { entry, flow, message } from "./flow";

beforeEach(() => vi.stubGlobal("fetch", () => Promise.reject(new Error("no server"))));

const alert = entry(1, { time: 100, pipeline: "env" });
const done = entry(2, { time: 101, kind: "action", ok: true, latency_ms: 12, pipeline: "env" });
const failed = entry(3, { time: 595, kind: "action", ok: false, latency_ms: 900, pipeline: "door" });
const other = entry(4, { time: 596, kind: "reload" });
const all = [alert, done, failed, other];

describe("activity", () => {
  it("is told apart by kind, failures first", () => {
    expect(all.map(kindOf)).toEqual(["alert", "action", "failure", "other"]);
    expect(kindOf(entry(5, { kind: "breaker", level: "error" }))).toBe("failure");
  });

  it("is filtered by kind and pipeline, newest first", () => {
    const numbers = (filter: object): number[] => filterActivity(all, { ...NO_FILTER, ...filter }).map((each) => each.number);
    expect(numbers({})).toEqual([4, 3, 2, 1]);
    expect(numbers({ kind: "failure" })).toEqual([3]);
    expect(numbers({ pipeline: "env" })).toEqual([2, 1]);
    expect(pipelinesOf(all)).toEqual(["door", "env"]);
  });

  it("is summed up over the last minutes; failed actions say nothing about latency", () => {
    expect(summary(all, 600, 550)).toEqual({ alerts: 1, actions: 2, failures: 1, latency: 12 });
    expect(summary(all, 600, 50)).toEqual({ alerts: 0, actions: 1, failures: 1, latency: null });
  });

  it("becomes bars of equal slices, and what is older falls out", () => {
    const slices = bars(all, 600, 500, 5);
    expect(slices.map((slice) => slice.alert + slice.action + slice.failure + slice.other)).toEqual([2, 0, 0, 0, 2]);
    expect(bars(all, 600, 100, 2)[0]).toEqual({ alert: 0, action: 0, failure: 0, other: 0 });
  });

  it("is appended, kept over merged messages, and shows that a flow decides", () => {
    apply(message({ status: flow({ started: 90 }) }));
    expect(decides.value).toBe(false);
    apply(message({ status: flow({ started: 90 }), activity: [alert] }));
    const both = merge(message({ status: flow({ started: 90 }), activity: [done] }), message({ status: flow({ started: 90 }), activity: [failed] }));
    apply(both);
    expect(activity.value.map((each) => each.number)).toEqual([1, 2, 3]);
    expect(decides.value).toBe(true);
  });
});
