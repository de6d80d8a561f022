import { describe, expect, it } from "vitest";

import { curve } from "../src/graph/curve";
import { layout, longestPathLayers, type LayoutOptions } from "../src/graph/layout";

const OPTIONS: LayoutOptions = {
  node: { main: 100, cross: 60 },
  label: { main: 80, cross: 40 },
  gap: { main: 20, cross: 10 },
  lane: 10,
};

const edges = (...pairs: string[]): { id: string; source: string; target: string }[] =>
  pairs.map((pair) => {
    const [source = "", target = ""] = pair.split(">");
    return { id: pair, source, target };
  });

const DOOR = edges("camera>detector", "detector>blur", "blur>gateway", "camera>gateway", "camera>recorder");
const NAMES = ["camera", "detector", "blur", "gateway", "recorder"];

interface Box {
  main: number;
  cross: number;
  width: number;
  height: number;
}

function boxesOf(names: string[], links: typeof DOOR): Box[] {
  const placed = layout(names, links, OPTIONS);
  return [
    ...[...placed.nodes.values()].map((at) => ({ ...at, width: 100, height: 60 })),
    ...[...placed.labels.values()].map((at) => ({ ...at, width: 80, height: 40 })),
  ];
}

function overlap(a: Box, b: Box): boolean {
  return (
    Math.abs(a.main - b.main) < (a.width + b.width) / 2 - 0.01 &&
    Math.abs(a.cross - b.cross) < (a.height + b.height) / 2 - 0.01
  );
}

describe("layers", () => {
  it("are the longest way from a source", () => {
    expect(Object.fromEntries(longestPathLayers(NAMES, DOOR))).toEqual({
      camera: 0,
      detector: 1,
      blur: 2,
      gateway: 3,
      recorder: 1,
    });
  });

  it("end for a graph with a cycle", () => {
    expect(longestPathLayers(["a", "b"], edges("a>b", "b>a")).size).toBe(2);
    expect(layout(["a", "b"], edges("a>b", "b>a"), OPTIONS).nodes.size).toBe(2);
  });
});

describe("placing", () => {
  it("keeps every node and label apart", () => {
    const boxes = boxesOf(NAMES, DOOR);
    boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => expect(overlap(a, b)).toBe(false)));
  });

  it("keeps them apart in random graphs, inside the size it reports", () => {
    let seed = 7;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let round = 0; round < 30; round += 1) {
      const names = Array.from({ length: 3 + Math.floor(random() * 12) }, (_, i) => `n${i}`);
      const links = names.flatMap((target, i) =>
        names.slice(0, i).filter(() => random() < 0.25).map((source) => `${source}>${target}`),
      );
      const { size } = layout(names, edges(...links), OPTIONS);
      const boxes = boxesOf(names, edges(...links));
      boxes.forEach((a, i) => {
        expect(a.cross - a.height / 2).toBeGreaterThanOrEqual(-0.01);
        expect(a.cross + a.height / 2).toBeLessThanOrEqual(size.cross + 0.01);
        expect(a.main + a.width / 2).toBeLessThanOrEqual(size.main + 0.01);
        boxes.slice(i + 1).forEach((b) => expect(overlap(a, b)).toBe(false));
      });
    }
  });

  it("draws a chain as a straight line", () => {
    const { nodes } = layout(["a", "b", "c"], edges("a>b", "b>c"), OPTIONS);
    expect(new Set([...nodes.values()].map((at) => at.cross)).size).toBe(1);
  });

  it("untangles what need not cross", () => {
    const { nodes } = layout(["a", "b", "y", "x"], edges("a>x", "b>y"), OPTIONS);
    const cross = (name: string): number => nodes.get(name)?.cross ?? NaN;
    expect(Math.sign(cross("a") - cross("b"))).toBe(Math.sign(cross("x") - cross("y")));
  });

  it("leaves out links to unknown nodes, and takes an empty graph", () => {
    expect(layout(["a"], edges("a>ghost", "a>a"), OPTIONS).routes.size).toBe(0);
    expect(layout([], [], OPTIONS).nodes.size).toBe(0);
  });
});

describe("curves", () => {
  it("start and end at the edges of the nodes and follow the flow", () => {
    const { routes } = layout(["a", "b"], edges("a>b"), OPTIONS);
    expect(curve(routes.get("a>b") ?? [], "right")).toBe("M100 30L160 30L220 30");
    expect(curve(routes.get("a>b") ?? [], "down")).toBe("M30 100L30 160L30 220");
  });

  it("bend where the positions differ", () => {
    expect(curve([{ main: 0, cross: 0 }, { main: 10, cross: 20 }], "right")).toBe("M0 0C5 0 5 20 10 20");
    expect(curve([], "right")).toBe("");
  });
});
