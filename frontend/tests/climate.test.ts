import { describe, expect, it } from "vitest";

import { feature, figure, isEmpty, openness, percent, settingOf, stateOf, timesOf, words } from "../src/state/climate";
import type { ClimateDevice, ClimateSummary, Configuration, LearningPage, ModelRow } from "../src/state/climate-types";
import { health } from "../src/state/health";
import { moment } from "../src/state/ranges";
import { parseRoute } from "../src/state/route";
import { placeOf } from "../src/ui/bars";
import { bridged, lastOf, spread } from "../src/ui/plot";
import { mean } from "../src/views/climate";
import { editOf } from "../src/views/climate/metadata";
import { namesOf, settingsOf } from "../src/views/climate/settings";
import { nameOf } from "../src/views/climate/troubles";
import { promotable } from "../src/views/climate/versions";
import { levelOf } from "../src/views/health";
import { flow } from "./flow";

function device(more: Partial<ClimateDevice> = {}): ClimateDevice {
  return {
    device_id: "attic",
    name: "Attic",
    location: "",
    kind: "mqtt",
    online: true,
    registered_at: 0,
    last_seen: 0,
    groups: [],
    tags: [],
    silence_seconds: 300,
    left: false,
    silent: [],
    failure: "",
    configuration: "none",
    sensors: {},
    readings: {},
    window: null,
    ...more,
  };
}

describe("figures of rooms", () => {
  it("have a true minus and a dash for what is not known", () => {
    expect([figure(-51.4, 0), figure(21.26, 1, "°C"), figure(null), figure(Number.NaN, 2), figure(-0.04, 1)]).toEqual(["−51", "21.3\u202f°C", "–", "–", "0.0"]);
    expect([percent(0.842), percent(null)]).toEqual(["84\u202f%", "–"]);
  });
  it("name any kind of sensor", () => {
    expect(feature("temperature").unit).toBe("°C");
    expect(feature("window_stalled")).toMatchObject({ title: "Window stalled", unit: "" });
  });
  it("say how open a window is, by the steps of the dashboards for Grafana", () => {
    expect([0, 24.9, 25, 50, 75, 100].map(openness)).toEqual(["closed", "closed", "partially open", "mostly open", "fully open", "fully open"]);
  });
  it("take the mean of the devices that say something", () => {
    const devices = [device({ readings: { temperature: { value: 20, time: 1 } } }), device({ readings: { temperature: { value: 23, time: 1 } } }), device()];
    const list = { devices, total: 3, online: 3, left: 0, groups: [], tags: [] };
    expect(mean(list, "temperature")).toBe("21.5\u202f°C");
    expect(mean(list, "humidity")).toBe("–");
  });
});

describe("the state of a device", () => {
  it("tells the worst first", () => {
    expect(stateOf(device())).toEqual(["ok", "online"]);
    expect(stateOf(device({ silent: ["audio"] }))).toEqual(["warn", "audio silent"]);
    expect(stateOf(device({ configuration: "refused" }))).toEqual(["warn", "settings refused"]);
    expect(stateOf(device({ failure: "motor stalled", silent: ["audio"] }))).toEqual(["bad", "motor stalled"]);
    expect(stateOf(device({ online: false, failure: "motor stalled" }))).toEqual(["bad", "offline"]);
    expect(stateOf(device({ online: false, left: true }))).toEqual(["left", "left"]);
  });
  it("is judged by its silence", () => {
    expect([levelOf(10, true), levelOf(300, true), levelOf(900, true), levelOf(1, false)]).toEqual(["ok", "warn", "bad", "bad"]);
  });
  it("is among the problems of the head line", () => {
    const now: ClimateSummary = { devices: 3, online: 1, rate: 1, decisions: 0, overrides: 0, refused: 0, waiting_bytes: 0, problems: ["store: disk is full: /data"] };
    expect(health(flow(), [], [], null, now).problems).toEqual([
      { level: "bad", subject: "store", text: "disk is full: /data", route: "#/health" },
      { level: "warn", subject: "2 devices", text: "are offline", route: "#/health" },
    ]);
    expect(health(flow(), [], [], null, { ...now, online: 3, problems: [] }).level).toBe("ok");
  });
});

describe("what people write", () => {
  it("becomes words without empty and repeated ones", () => expect(words(" up, ,south, up")).toEqual(["up", "south"]));
  it("becomes a setting of its type", () => expect(["5", " 2.5 ", "true", "fast", ""].map(settingOf)).toEqual([5, 2.5, true, "fast", ""]));
  it("is sent alone, an emptied setting as taken back", () => {
    expect(settingsOf({ read_seconds: "4", audio_seconds: " " }, { name: "report seconds", value: "60" })).toEqual({ read_seconds: 4, audio_seconds: null, report_seconds: 60 });
    expect(settingsOf({}, { name: "speed", value: "" })).toEqual({});
  });
  it("is an edit of only what was touched", () => {
    expect(editOf({ groups: "up, south" })).toEqual({ groups: ["up", "south"] });
    expect(editOf({ name: "Attic", silence_seconds: "60" })).toEqual({ name: "Attic", silence_seconds: 60 });
    expect(editOf({})).toEqual({});
  });
  it("stands beside what the device reports", () => {
    const told: Configuration = { version: 1, state: "pending", desired: { b: 1 }, reported: { c: 2, a: 1, b: 0 }, reason: "", asked: 1, answered: 0 };
    expect(namesOf(told)).toEqual(["a", "b", "c"]);
  });
});

describe("charts", () => {
  const chart = { since: 100, step: 10, lines: [{ label: "a", values: [null, 2, null] }] };
  it("know their times and whether they are empty", () => {
    expect(timesOf(chart)).toEqual([100, 110, 120]);
    expect(isEmpty(chart)).toBe(false);
    expect(isEmpty({ ...chart, lines: [{ label: "a", values: [null] }] })).toBe(true);
    expect([lastOf([1, 2, null]), lastOf([null])]).toEqual([2, null]);
  });
  it("give values some air, and none below nothing", () => {
    expect(spread(null, null)).toEqual([0, 1]);
    expect(spread(0, 0)).toEqual([0, 1]);
    expect(spread(0, 10)).toEqual([0, 11.2]);
    const [least, most] = spread(-60, -40);
    expect([least < -60, most > -40]).toEqual([true, true]);
  });
  it("go on over what usually lies between two values", () => {
    expect(bridged([1, 2, 3, null, 4])).toBe(6);
    expect(bridged([1, ...Array<null>(6).fill(null), 2, ...Array<null>(6).fill(null), 3])).toBe(21);
    expect(bridged([null, 1, null])).toBe(6);
  });
  it("place bars from the left or from the middle", () => {
    expect(placeOf(0.5, false)).toEqual({ left: "0%", width: "50%" });
    expect(placeOf(-0.5, true)).toEqual({ left: "25%", width: "25%" });
    expect(placeOf(Number.NaN, true)).toEqual({ left: "50%", width: "0%" });
    expect(placeOf(7, false).width).toBe("100%");
  });
  it("tell times as exactly as their stretch needs", () => {
    const noon = new Date(2026, 10, 3, 12, 5).getTime() / 1000;
    expect([moment(noon, 3600), moment(noon, 86_700), moment(noon, 604_800), moment(noon, 2_592_000)]).toEqual(["12:05", "12:05", "3 Nov 12:05", "3 Nov"]);
  });
});

describe("troubles and versions", () => {
  it("say whom they are about", () => {
    const row = { time: 1, device_id: "attic", kind: "device_offline", source: "registry", detail: "" };
    expect(nameOf(row)).toBe("attic offline");
    expect(nameOf({ ...row, kind: "message", source: "sensor/attic/audio" })).toBe("sensor/attic/audio");
  });
  it("can be promoted only if they are there and do not decide", () => {
    const model: ModelRow = { version: "v1", current: false, created: 1, parent: "", labels: 0, error: 1, parent_error: 0, decisions: 0, mean_confidence: null };
    const page = { can_change: true } as LearningPage;
    expect([promotable(page, model), promotable(page, { ...model, current: true }), promotable(page, { ...model, created: null }), promotable({ ...page, can_change: false }, model)]).toEqual([true, false, false, false]);
  });
});

describe("addresses", () => {
  it("name a device whatever it is called", () => expect(parseRoute("#/device/it%3As.room-1")).toMatchObject({ view: "device", rest: ["it:s.room-1"] }));
});
