/** Order within layers: barycentre sweeps, keeping the order with the fewest crossings. */

import type { Vertex } from "./layout";

const SWEEPS = 12;

/** Reorder each layer in place. */
export function orderLayers(layers: Vertex[][]): void {
  let best = layers.map((layer) => [...layer]);
  let fewest = crossings(layers);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep += 1) {
    const forward = sweep % 2 === 0;
    const order = layers.keys();
    for (const index of forward ? order : [...order].reverse()) {
      sortByNeighbours(layers[index] ?? [], forward ? "before" : "after", layers);
    }
    const found = crossings(layers);
    if (found < fewest) {
      fewest = found;
      best = layers.map((layer) => [...layer]);
    }
  }
  best.forEach((layer, index) => {
    layers[index] = layer;
  });
}

function positions(layer: readonly Vertex[] | undefined): Map<Vertex, number> {
  return new Map((layer ?? []).map((vertex, index) => [vertex, index]));
}

function sortByNeighbours(layer: Vertex[], side: "before" | "after", layers: Vertex[][]): void {
  const first = layer[0];
  if (!first) return;
  const place = positions(layers[first.layer + (side === "before" ? -1 : 1)]);
  const weight = new Map(
    layer.map((vertex, index) => {
      const seen = vertex[side].map((each) => place.get(each) ?? 0);
      const mean = seen.reduce((sum, each) => sum + each, 0) / seen.length;
      return [vertex, seen.length > 0 ? mean : index];
    }),
  );
  layer.sort((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0));
}

/** Number of pairs of edges that cross, over all neighbouring layers. */
export function crossings(layers: readonly Vertex[][]): number {
  let total = 0;
  for (let index = 0; index + 1 < layers.length; index += 1) {
    const place = positions(layers[index + 1]);
    const targets = (layers[index] ?? []).map((vertex) =>
      vertex.after.map((each) => place.get(each) ?? 0),
    );
    for (let a = 0; a < targets.length; a += 1) {
      for (let b = a + 1; b < targets.length; b += 1) {
        for (const left of targets[a] ?? []) {
          total += (targets[b] ?? []).filter((right) => right < left).length;
        }
      }
    }
  }
  return total;
}
