/** Everything about one node: state, figures, charts, last error, last frame, logs. */

import { useComputed, useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { getJson } from "../../state/api";
import { ago, clock, count, fieldText, millis, rate } from "../../state/format";
import { append } from "../../state/numbered";
import { graph, logs, nodeHistory, status } from "../../state/store";
import type { LogLine, NodeStatus } from "../../state/types";
import { Chart } from "../../ui/chart";
import { LogRow } from "../../ui/log-row";
import { type Figure, Figures, State } from "../../ui/parts";
import { rateOf } from "./drawn-node";
import { LastFrame } from "./last-frame";
import { Panel } from "./panel";

const LOG_LINES = 40;

export function NodePanel({ node, close }: { node: NodeStatus; close: () => void }): JSX.Element {
  const series = nodeHistory.of(node.name);
  const topic = graph.value?.links.find((link) => link.source === node.name)?.topic;
  return (
    <Panel label={`Node ${node.name}`} title={node.name} sub={<><State state={node.state} /> · {node.role}{node.place && <span title={node.place}> · {node.place.split("/").pop()}</span>}</>} close={close}>
      {node.last_error && <LastError node={node} />}
      <Figures items={figuresOf(node)} />
      <section>
        <h3>Rate <span class="muted">{rate(rateOf(node))} frames/s</span></h3>
        <Chart series={series} lines={[{ figure: 0, label: "frames/s", tone: "accent" }]} version={status.value?.time ?? 0} format={rate} />
      </section>
      <section>
        <h3>Processing <span class="muted">p50 {millis(node.process_p50_ms)}, p99 {millis(node.process_p99_ms)}</span></h3>
        <Chart
          series={series}
          lines={[
            { figure: 1, label: "p50", tone: "accent" },
            { figure: 2, label: "p99", tone: "faint" },
          ]}
          version={status.value?.time ?? 0}
          format={millis}
        />
      </section>
      {topic && <LastFrame topic={topic} />}
      <Declared name={node.name} />
      <NodeLogs name={node.name} />
    </Panel>
  );
}

function figuresOf(node: NodeStatus): Figure[] {
  const items: Figure[] = [
    { label: "Replicas", value: `${node.alive}/${node.replicas}`, ...(node.alive < node.replicas ? { level: "warn" as const } : {}) },
    { label: "Frames in", value: count(node.frames_in) },
    { label: "Frames out", value: count(node.frames_out) },
    { label: "Errors", value: count(node.errors), ...(node.errors > 0 ? { level: "warn" as const } : {}) },
    { label: "Restarts", value: count(node.restarts), ...(node.restarts > 0 ? { level: "warn" as const } : {}) },
    { label: "Device", value: node.device ?? "any" },
    { label: "Host", value: node.host || "–" },
    { label: node.pids.length > 1 ? "Processes" : "Process", value: node.pids.join(", ") || "–" },
  ];
  if (node.role === "fusion") {
    items.push({ label: "Late", value: count(node.late) }, { label: "Unmatched", value: count(node.unmatched) });
  }
  return items;
}

function LastError({ node }: { node: NodeStatus }): JSX.Element {
  const since = node.last_error_time === null ? "" : ago((status.value?.time ?? 0) - node.last_error_time);
  const [first = "", ...rest] = (node.last_error ?? "").split("\n");
  return (
    <section class="last-error">
      <h3>
        Last error
        {node.last_error_time !== null && <span class="muted">{clock(node.last_error_time)}, {since}</span>}
      </h3>
      <p>{first}</p>
      {rest.length > 0 && <pre>{rest.join("\n")}</pre>}
    </section>
  );
}

/** The options of the declaration. */
function Declared({ name }: { name: string }): JSX.Element | null {
  const options = Object.entries(graph.value?.nodes.find((node) => node.name === name)?.options ?? {});
  if (options.length === 0) return null;
  return (
    <section>
      <h3>Options</h3>
      <dl class="options">
        {options.map(([key, value]) => (
          <div key={key}>
            <dt>{key}</dt>
            <dd>{fieldText(value)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function NodeLogs({ name }: { name: string }): JSX.Element {
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  const [open, setOpen] = useState<LogLine | null>(null);
  const own = useComputed(() => logs.value.filter((line) => line.node === name));
  const add = (fresh: readonly LogLine[]): void => setLines((known) => append(known, fresh, 500));
  useEffect(() => {
    getJson<LogLine[] | { logs: LogLine[] }>(`api/logs?node=${encodeURIComponent(name)}&limit=100`)
      .then((answer) => add(Array.isArray(answer) ? answer : answer.logs))
      .catch(() => undefined);
  }, [name]);
  useSignalEffect(() => add(own.value));
  const newest = lines.slice(-LOG_LINES).reverse();
  return (
    <section class="node-logs">
      <h3>Logs <span class="muted">newest first</span></h3>
      {newest.length === 0 && <p class="muted">Nothing was logged.</p>}
      {newest.map((line) => (
        <LogRow key={line.number} line={line} selected={open === line} select={setOpen} />
      ))}
    </section>
  );
}
