/** The list of nodes: how each comes through, what it senses, and its last seconds in small. */

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { ago, rate } from "../../state/format";
import { routeTo } from "../../state/route";
import { nodes, Preview, previews } from "../../state/sensing";
import type { SensingNode } from "../../state/sensing-types";
import { theme } from "../../state/theme";
import { Icon } from "../../ui/icons";
import { useVisible } from "../../ui/visible";
import { scaleOf } from "./colours";

/** Pixels beside the chosen node where the list scrolls sideways. */
const EDGE = 12;

export function NodeList({ chosen }: { chosen: string }): JSX.Element {
  const all = nodes.value ?? [];
  const list = useRef<HTMLElement>(null);
  useEffect(() => {
    const card = list.current?.querySelector<HTMLElement>("[aria-current]");
    if (card && list.current) list.current.scrollLeft = card.offsetLeft - list.current.offsetLeft - EDGE;
  }, [chosen, all.length]);
  return (
    <nav ref={list} class="csi-nodes" aria-label="Nodes">
      {all.map((node) => <NodeCard key={node.name} node={node} chosen={node.name === chosen} />)}
    </nav>
  );
}

export function shortName(node: { node: number; name: string }): string {
  return `Node ${node.node}`;
}

function NodeCard({ node, chosen }: { node: SensingNode; chosen: boolean }): JSX.Element {
  const [level, text] = stateOf(node);
  return (
    <a class={`csi-node ${level}`} href={routeTo("sensing", node.name)} aria-current={chosen ? "true" : undefined} title={node.name}>
      <span class="csi-node-head">
        <b>{shortName(node)}</b>
        <span class={`state ${level}`}><Icon name={level === "bad" ? "unplugged" : level === "warn" ? "warning" : "running"} />{text}</span>
      </span>
      <Small name={node.name} />
      <span class="csi-node-facts">
        <span>{rate(node.rate)}/s</span>
        <span>{node.rssi === 0 ? "– dBm" : `${String(node.rssi).replace("-", "−")} dBm`}</span>
        <span class={node.loss > 0.05 ? "warn" : ""} title={`${node.lost} frames are missing`}>{(100 * node.loss).toFixed(1)} % lost</span>
      </span>
      <span class="csi-node-facts">
        <span class={node.vitals?.presence ? "there" : ""}><Icon name={node.vitals?.presence ? "person" : "away"} />{presenceOf(node)}</span>
        <span class="tag" title="What its packets say about its firmware">{node.firmware}</span>
      </span>
    </a>
  );
}

/** How loudly a node's state is shown, and in what words. */
export function stateOf(node: SensingNode): ["ok" | "warn" | "bad", string] {
  if (node.state === "silent") return ["bad", `silent, ${ago(Math.max(0, Date.now() / 1000 - node.last_seen))}`];
  if (node.vitals?.degraded) return ["warn", "degraded"];
  return ["ok", "live"];
}

function presenceOf(node: SensingNode): string {
  const said = node.vitals;
  if (!said || node.state === "silent") return "no reading";
  if (!said.calibrated && said.source === "host") return said.presence ? "present, learning" : "learning";
  return said.presence ? "present" : "empty";
}

/** The last 24 s of a node; painted when a column is new. */
function Small({ name }: { name: string }): JSX.Element {
  const element = useRef<HTMLCanvasElement>(null);
  const visible = useVisible(element);
  const shade = theme.value;
  useEffect(() => {
    const context = element.current?.getContext("2d");
    if (!visible || !context) return undefined;
    const colours = scaleOf(shade);
    let drawn = -1;
    let request = 0;
    const paint = (): void => {
      request = requestAnimationFrame(paint);
      const preview = previews.get(name);
      if (!preview || preview.count === drawn) return;
      drawn = preview.count;
      paintPreview(context, preview, colours);
    };
    paint();
    return () => cancelAnimationFrame(request);
  }, [visible, shade, name]);
  return <canvas ref={element} class="csi-small" width={Preview.shown} height={Preview.bins} aria-hidden="true" />;
}

function paintPreview(context: CanvasRenderingContext2D, preview: Preview, colours: Uint32Array): void {
  const { shown, bins } = Preview;
  const image = context.createImageData(shown, bins);
  const pixels = new Uint32Array(image.data.buffer);
  const used = preview.columns.filter((value) => value > 0);
  const low = used.reduce((least, value) => Math.min(least, value), 255);
  const high = used.reduce((most, value) => Math.max(most, value), low + 1);
  const held = Math.min(preview.count, shown);
  for (let column = 0; column < held; column += 1) {
    const at = ((preview.count - held + column) % shown) * bins;
    for (let bin = 0; bin < bins; bin += 1) {
      const value = preview.columns[at + bin] ?? 0;
      if (value === 0) continue;
      const place = Math.round(((value - low) / (high - low)) * 255);
      pixels[(bins - 1 - bin) * shown + shown - held + column] = colours[place] ?? 0;
    }
  }
  context.putImageData(image, 0, 0);
}
