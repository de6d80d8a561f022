/** Sensing: nodes that hear how people change the radio channel, and what that tells of one room. */

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";

import { count, rate } from "../state/format";
import { route } from "../state/route";
import { feed, glance, look, nodes } from "../state/sensing";
import type { SensingNode } from "../state/sensing-types";
import { Icon } from "../ui/icons";
import { Empty, type Figure, Figures } from "../ui/parts";
import { Calibration } from "./sensing/calibration";
import { Configuration } from "./sensing/configuration";
import { Events } from "./sensing/events";
import { Modules } from "./sensing/modules";
import { Newest } from "./sensing/newest";
import { NodeList, shortName, stateOf } from "./sensing/nodes";
import { Timeline } from "./sensing/timeline";
import { Vitals } from "./sensing/vitals";
import { Waterfall } from "./sensing/waterfall";

export function Sensing(): JSX.Element {
  const all = nodes.value;
  const name = route.value.rest[0] ?? all?.[0]?.name ?? "";
  useEffect(() => look(name), [name]);
  if (all === null) {
    return feed.value === "lost" ? <Empty icon="unplugged" title="The nodes cannot be asked">This page connects by itself.</Empty> : <Empty icon="starting" title="Connecting" />;
  }
  if (all.length === 0) {
    return (
      <Empty icon="sensing" title="No node has been heard yet">
        Point nodes at this machine's UDP port, or try one without hardware: <code>edgeflow csi simulate walking</code>.
      </Empty>
    );
  }
  const node = all.find((each) => each.name === name);
  return (
    <div class="sensing">
      <NodeList chosen={name} />
      {node ? <Room node={node} /> : <Empty icon="lost" title={`No node ${name}`}>It was not heard, or was forgotten: choose another one.</Empty>}
    </div>
  );
}

function Room({ node }: { node: SensingNode }): JSX.Element {
  const silent = node.state === "silent";
  const remote = glance.value?.calibration.state === "remote";
  return (
    <>
      <div class="room">
        <RoomHead node={node} />
        <Vitals silent={silent} />
        {remote ? <NoFrames /> : <Waterfall name={node.name} />}
        <Timeline name={node.name} />
        {!remote && <Newest name={node.name} />}
      </div>
      <aside class="rail" aria-label={`Events and settings of ${shortName(node)}`}>
        <Events name={node.name} />
        <Calibration name={node.name} />
        <Modules name={node.name} />
        <Configuration name={node.name} remote={remote} />
      </aside>
    </>
  );
}

function RoomHead({ node }: { node: SensingNode }): JSX.Element {
  const [level, text] = stateOf(node);
  return (
    <header class="room-head">
      <h2>{shortName(node)}</h2>
      <span class="muted room-where">{node.address}</span>
      {level !== "ok" && <span class={`state ${level}`}><Icon name={level === "bad" ? "unplugged" : "warning"} />{text}</span>}
      <Figures items={figures(node)} />
    </header>
  );
}

export function figures(node: SensingNode): Figure[] {
  const minus = (value: number): string => (value === 0 ? "–" : String(value).replace("-", "−"));
  const spoilt = node.refused + node.damaged + node.keyless;
  return [
    { label: "Rate", value: rate(node.rate), note: "/s" },
    { label: "Lost", value: `${(100 * node.loss).toFixed(1)} %`, ...(node.loss > 0.05 ? { level: "warn" as const } : {}) },
    { label: "RSSI", value: minus(node.rssi), note: "dBm" },
    { label: "Channel", value: node.channel === 0 ? "–" : String(node.channel) },
    { label: "Subcarriers", value: node.subcarriers === 0 ? "–" : String(node.subcarriers) },
    { label: "Frames", value: count(node.frames) },
    { label: "Unusable", value: count(spoilt), ...(spoilt > node.frames * 0.05 ? { level: "warn" as const } : {}) },
  ];
}

function NoFrames(): JSX.Element {
  return (
    <section class="card no-frames" aria-label="Subcarrier waterfall">
      <p class="muted"><Icon name="sensing" />This node tells its vitals and sends no frames, so there is no channel to show.</p>
    </section>
  );
}
