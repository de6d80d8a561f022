/** The topology view: the graph, the panel of what is selected, and the figures as tables. */

import type { JSX } from "preact";

import { replaceRoute, route, routeTo } from "../state/route";
import { graph, status } from "../state/store";
import { Empty } from "../ui/parts";
import { GraphDrawing } from "./topology/drawing";
import { LinkPanel } from "./topology/link-panel";
import { NodePanel } from "./topology/node-panel";
import { Tables } from "./topology/tables";

const close = (): void => replaceRoute(routeTo("topology"));

export function Topology(): JSX.Element {
  const declared = graph.value;
  if (!declared) return <Empty icon="topology" title="Reading the graph" />;
  if (declared.nodes.length === 0) {
    return (
      <Empty icon="topology" title="The flow has no nodes">
        Declare one with <code>@app.node(name="camera", type="producer")</code>.
      </Empty>
    );
  }
  const [kind, ...names] = route.value.rest;
  const panel = panelOf(kind, names);
  return (
    <div class={`topology ${panel ? "with-panel" : ""}`}>
      <div class="topology-main">
        <GraphDrawing graph={declared} selected={panel ? [kind, ...names].join("/") : ""} />
        <Tables />
      </div>
      {panel}
    </div>
  );
}

function panelOf(kind: string | undefined, names: readonly string[]): JSX.Element | null {
  const flow = status.value;
  const [first, second] = names;
  if (kind === "node") {
    const node = flow?.nodes.find((each) => each.name === first);
    return node ? <NodePanel key={node.name} node={node} close={close} /> : null;
  }
  if (kind === "link") {
    const link = flow?.links.find((each) => each.source === first && each.target === second);
    return link ? <LinkPanel key={`${first}/${second}`} link={link} close={close} /> : null;
  }
  return null;
}
