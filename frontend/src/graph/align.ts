/** Positions across the flow: each vertex near the mean of its neighbours, none overlapping. */

import type { Vertex } from "./layout";

const ROUNDS = 24;

/** Set `cross` of every vertex; the smallest edge of all vertices is at 0. */
export function alignLayers(layers: readonly Vertex[][], gap: number): void {
  for (const layer of layers) pack(layer, gap);
  for (let round = 0; round < ROUNDS; round += 1) {
    const forward = round % 2 === 0;
    for (const layer of forward ? layers : [...layers].reverse()) {
      place(layer, layer.map((vertex) => wanted(vertex, forward)), gap);
    }
  }
  for (const layer of layers) place(layer, layer.map(centre), gap);
  straighten(layers, gap);
  const all = layers.flat();
  const least = Math.min(...all.map((vertex) => vertex.cross - vertex.breadth / 2));
  for (const vertex of all) vertex.cross -= least;
}

/**
 * Level the runs without branches: by turns each run takes its mean and each layer keeps its gaps,
 * which comes near to both where both can be had.
 */
function straighten(layers: readonly Vertex[][], gap: number): void {
  const runs = layers.flat().filter((vertex) => !only(vertex, "before")).map(runFrom);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const run of runs) {
      const level = run.reduce((sum, vertex) => sum + vertex.cross, 0) / run.length;
      for (const vertex of run) vertex.cross = level;
    }
    for (const layer of layers) place(layer, layer.map((vertex) => vertex.cross), gap);
  }
}

/** The neighbour on one side, when both have no other towards each other. */
function only(vertex: Vertex, side: "before" | "after"): Vertex | undefined {
  const [near, ...more] = vertex[side];
  return more.length === 0 && near?.[side === "before" ? "after" : "before"].length === 1 ? near : undefined;
}

function runFrom(start: Vertex): Vertex[] {
  const run = [start];
  for (let next = only(start, "after"); next; next = only(next, "after")) run.push(next);
  return run;
}

function pack(layer: readonly Vertex[], gap: number): void {
  const length = layer.reduce((sum, vertex) => sum + vertex.breadth + gap, -gap);
  let edge = -length / 2;
  for (const vertex of layer) {
    vertex.cross = edge + vertex.breadth / 2;
    edge += vertex.breadth + gap;
  }
}

/** Where a vertex wants to be: links that only pass through pull three times as hard. */
function mean(vertices: readonly Vertex[], otherwise: number): number {
  let sum = 0;
  let weight = 0;
  for (const vertex of vertices) {
    const pull = vertex.node === null ? 3 : 1;
    sum += vertex.cross * pull;
    weight += pull;
  }
  return weight > 0 ? sum / weight : otherwise;
}

function wanted(vertex: Vertex, forward: boolean): number {
  const near = forward ? vertex.before : vertex.after;
  return near.length > 0 ? mean(near, vertex.cross) : centre(vertex);
}

function centre(vertex: Vertex): number {
  return mean([...vertex.before, ...vertex.after], vertex.cross);
}

/**
 * Give each vertex of a layer the position nearest to the wanted one (least squares) that keeps
 * the order and the gaps: pooling of adjacent violators.
 */
function place(layer: readonly Vertex[], wish: readonly number[], gap: number): void {
  const offsets: number[] = [];
  let offset = 0;
  layer.forEach((vertex, index) => {
    const before = layer[index - 1];
    if (before) offset += (before.breadth + vertex.breadth) / 2 + gap;
    offsets.push(offset);
  });
  const blocks: { sum: number; size: number }[] = [];
  wish.forEach((value, index) => {
    let block = { sum: value - (offsets[index] ?? 0), size: 1 };
    for (;;) {
      const last = blocks[blocks.length - 1];
      if (!last || last.sum / last.size <= block.sum / block.size) break;
      block = { sum: last.sum + block.sum, size: last.size + block.size };
      blocks.pop();
    }
    blocks.push(block);
  });
  let index = 0;
  for (const block of blocks) {
    for (let taken = 0; taken < block.size; taken += 1, index += 1) {
      const vertex = layer[index];
      if (vertex) vertex.cross = block.sum / block.size + (offsets[index] ?? 0);
    }
  }
}
