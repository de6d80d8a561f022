/**
 * Layered layout of a directed graph (after Sugiyama), without regard to the drawing direction.
 *
 * Every link gets a slot for its label in a layer of its own between two layers of nodes, so labels
 * never overlap nodes or each other. "Main" is the direction of flow, "cross" the one across it.
 */

import { orderLayers } from "./order";
import { alignLayers } from "./align";

export interface Size {
  main: number;
  cross: number;
}

export interface Point {
  main: number;
  cross: number;
}

export interface LayoutLink {
  id: string;
  source: string;
  target: string;
}

export interface LayoutOptions {
  node: Size;
  label: Size;
  /** Space between neighbours: along the flow, and across it. */
  gap: Size;
  /** Room that a link without a label here takes across the flow. */
  lane: number;
}

export interface Layout {
  size: Size;
  /** Centres of the nodes. */
  nodes: Map<string, Point>;
  /** Centres of the links' labels. */
  labels: Map<string, Point>;
  /** Points each link passes, from the edge of its source to the edge of its target. */
  routes: Map<string, Point[]>;
}

/** One vertex of the layered graph: a node, or the place where a link crosses a layer. */
export interface Vertex {
  layer: number;
  cross: number;
  breadth: number;
  node: string | null;
  before: Vertex[];
  after: Vertex[];
}

/** Layer of each node: the length of the longest path that leads to it. Cycles are cut. */
export function longestPathLayers(
  names: readonly string[],
  links: readonly LayoutLink[],
): Map<string, number> {
  const into = new Map(names.map((name) => [name, [] as string[]]));
  for (const link of links) {
    if (into.has(link.source)) into.get(link.target)?.push(link.source);
  }
  const layers = new Map<string, number>();
  const open = new Set<string>();
  const visit = (name: string): number => {
    const known = layers.get(name);
    if (known !== undefined) return known;
    if (open.has(name)) return -1;
    open.add(name);
    const layer = Math.max(-1, ...(into.get(name) ?? []).map(visit)) + 1;
    open.delete(name);
    layers.set(name, layer);
    return layer;
  };
  names.forEach(visit);
  return layers;
}

interface Chain {
  link: LayoutLink;
  vertices: Vertex[];
  label: Vertex;
}

function buildVertices(
  names: readonly string[],
  links: readonly LayoutLink[],
  options: LayoutOptions,
): { layers: Vertex[][]; chains: Chain[] } {
  const depth = longestPathLayers(names, links);
  const layers: Vertex[][] = [];
  const add = (layer: number, node: string | null, breadth: number): Vertex => {
    const vertex: Vertex = { layer, cross: 0, breadth, node, before: [], after: [] };
    (layers[layer] ??= []).push(vertex);
    return vertex;
  };
  const vertexOf = new Map<string, Vertex>();
  for (const name of names) {
    vertexOf.set(name, add((depth.get(name) ?? 0) * 2, name, options.node.cross));
  }
  const chains: Chain[] = [];
  for (const link of links) {
    const source = vertexOf.get(link.source);
    const target = vertexOf.get(link.target);
    if (!source || !target || target.layer <= source.layer) continue;
    const labelLayer = labelLayerOf(source.layer, target.layer);
    const vertices = [source];
    for (let layer = source.layer + 1; layer < target.layer; layer += 1) {
      const breadth = layer === labelLayer ? options.label.cross : options.lane;
      vertices.push(add(layer, null, breadth));
    }
    vertices.push(target);
    vertices.forEach((vertex, index) => {
      const next = vertices[index + 1];
      if (!next) return;
      vertex.after.push(next);
      next.before.push(vertex);
    });
    const label = vertices[labelLayer - source.layer] ?? source;
    chains.push({ link, vertices, label });
  }
  for (let index = 0; index < layers.length; index += 1) layers[index] ??= [];
  return { layers, chains };
}

/** The layer of labels nearest to the middle of a link, the later one when there are two. */
function labelLayerOf(source: number, target: number): number {
  const middle = Math.ceil((source + target) / 2);
  return middle % 2 === 1 ? middle : middle + 1;
}

/** Place nodes, labels and links. */
export function layout(
  names: readonly string[],
  links: readonly LayoutLink[],
  options: LayoutOptions,
): Layout {
  const { layers, chains } = buildVertices(names, links, options);
  orderLayers(layers);
  alignLayers(layers, options.gap.cross);
  const centres = mainCentres(layers.length, options);
  const point = (vertex: Vertex): Point => ({
    main: centres[vertex.layer] ?? 0,
    cross: vertex.cross,
  });
  const nodes = new Map<string, Point>();
  for (const vertex of layers.flat()) if (vertex.node !== null) nodes.set(vertex.node, point(vertex));
  const labels = new Map(chains.map((chain) => [chain.link.id, point(chain.label)]));
  const routes = new Map(chains.map((chain) => [chain.link.id, routeOf(chain, point, options)]));
  const all = layers.flat();
  const cross = Math.max(0, ...all.map((vertex) => vertex.cross + vertex.breadth / 2));
  const last = centres[layers.length - 1];
  const main = last === undefined ? 0 : last + options.node.main / 2;
  return { size: { main, cross }, nodes, labels, routes };
}

function mainCentres(layerCount: number, options: LayoutOptions): number[] {
  const centres: number[] = [];
  let edge = 0;
  for (let layer = 0; layer < layerCount; layer += 1) {
    const length = layer % 2 === 0 ? options.node.main : options.label.main;
    centres.push(edge + length / 2);
    edge += length + options.gap.main;
  }
  return centres;
}

function routeOf(chain: Chain, point: (vertex: Vertex) => Point, options: LayoutOptions): Point[] {
  const points = chain.vertices.map(point);
  const first = points[0];
  const last = points[points.length - 1];
  if (first) points[0] = { ...first, main: first.main + options.node.main / 2 };
  if (last) points[points.length - 1] = { ...last, main: last.main - options.node.main / 2 };
  return points;
}
