import { describe, expect, it } from "vitest";

import * as format from "../src/state/format";

describe("numbers", () => {
  it.each([
    [0, "0"],
    [0.04, "<0.1"],
    [29.96, "30.0"],
    [123.4, "123"],
    [15_000, "15\u202f000"],
    [NaN, "–"],
  ])("writes %d frames per second as %s", (value, text) => expect(format.rate(value)).toBe(text));

  it.each([
    [-44.4, 0, "−44"],
    [-0.04, 1, "0.0"],
    [23.06, 1, "23.1"],
  ])("writes %d with %d digits as %s", (value, digits, text) => expect(format.figure(value, digits)).toBe(text));

  it.each([
    [0, "0 ms"],
    [0.0001, "1 µs"],
    [0.19, "190 µs"],
    [4.26, "4.3 ms"],
    [41.2, "41 ms"],
    [1234, "1.23 s"],
    [-1, "–"],
  ])("writes %d milliseconds as %s", (value, text) => expect(format.millis(value)).toBe(text));

  it.each([
    [3, "3"],
    [0.1 + 0.2, "0.3"],
    [812.629, "812.629"],
    [-1795271799.3956, "-1795271799.4"],
  ])("writes %d of a message as %s", (value, text) => expect(format.plain(value)).toBe(text));

  it.each([
    [999, "999"],
    [54_428, "54\u202f428"],
    [12_345_678, "12.3 M"],
    [2_500_000_000, "2.50 G"],
  ])("writes the count %d as %s", (value, text) => expect(format.count(value)).toBe(text));

  it("writes bytes in binary units", () => {
    expect(format.bytes(0)).toBe("0 B");
    expect(format.bytes(921_600)).toBe("900 KiB");
    expect(format.bytes(5 * 1024 ** 3)).toBe("5.0 GiB");
  });
});

describe("time", () => {
  it.each([
    [5.9, "5 s"],
    [185, "3 min 05 s"],
    [7620, "2 h 07 min"],
    [356_400, "4 d 03 h"],
    [-3, "0 s"],
  ])("writes %d seconds as %s", (value, text) => expect(format.duration(value)).toBe(text));

  it("tells how long ago", () => {
    expect(format.ago(0.4)).toBe("just now");
    expect(format.ago(5)).toBe("5 s ago");
  });

  it("writes the time of day with milliseconds", () => {
    const noon = new Date(2025, 0, 1, 12, 3, 4, 56).getTime() / 1000;
    expect(format.clock(noon)).toBe("12:03:04");
    expect(format.clock(noon, true)).toBe("12:03:04.056");
  });
});

describe("values", () => {
  it("names the size of a picture, width first", () => {
    expect(format.resolution([480, 640, 3])).toBe("640×480");
    expect(format.resolution([7])).toBe("7");
    expect(format.resolution(null)).toBe("");
  });

  it("quotes only what needs it", () => {
    expect(format.fieldsText({ a: "x", b: "x y", c: 1.23456, d: null })).toBe('a=x b="x y" c=1.2346 d=null');
  });
});
