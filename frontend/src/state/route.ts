/** Where the page is: `#/topology/node/camera` is view "topology" with the rest ["node", "camera"]. */

import { signal } from "@preact/signals";

export const VIEWS = ["room", "live", "boards", "sensing", "climate", "device", "learning", "health", "activity", "models", "topology", "latency", "logs"] as const;
export type View = (typeof VIEWS)[number];

export interface Route {
  view: View;
  rest: string[];
  /** False where the address names no view. */
  chosen: boolean;
}

export function parseRoute(hash: string): Route {
  const parts = hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decode);
  const view = VIEWS.find((each) => each === parts[0]);
  return { view: view ?? "live", rest: view ? parts.slice(1) : [], chosen: view !== undefined };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function routeTo(view: View, ...rest: string[]): string {
  return `#/${[view, ...rest].map(encodeURIComponent).join("/")}`;
}

export const route = signal<Route>(parseRoute(globalThis.location?.hash ?? ""));

/** Follow the address bar. */
export function followHash(): void {
  addEventListener("hashchange", () => {
    route.value = parseRoute(location.hash);
  });
}

/** Go somewhere without leaving an entry in the browser's history. */
export function replaceRoute(hash: string): void {
  history.replaceState(null, "", hash);
  route.value = parseRoute(hash);
}
