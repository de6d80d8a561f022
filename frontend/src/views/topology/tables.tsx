/** The same figures as tables: dense, sortable by eye, readable by a screen reader. */

import type { ComponentChildren, JSX } from "preact";

import { count, millis, rate } from "../../state/format";
import { routeTo } from "../../state/route";
import { status } from "../../state/store";
import type { LinkStatus } from "../../state/types";
import { Arrow, State } from "../../ui/parts";

export function Tables(): JSX.Element | null {
  const flow = status.value;
  if (!flow) return null;
  return (
    <div class="tables">
      <Table title="Nodes" columns={["Node", "State", "In/s", "Out/s", "p50", "p99", "Errors", "Restarts"]} text={2}>
        {flow.nodes.map((node) => (
          <tr key={node.name}>
            <th scope="row"><a href={routeTo("topology", "node", node.name)}>{node.name}</a></th>
            <td><State state={node.state} /></td>
            <td>{node.role === "producer" ? "" : rate(node.rate_in)}</td>
            <td>{node.role === "sink" || node.role === "gateway" ? "" : rate(node.rate_out)}</td>
            <td>{millis(node.process_p50_ms)}</td>
            <td>{millis(node.process_p99_ms)}</td>
            <td class={node.errors > 0 ? "warn" : ""}>{count(node.errors)}</td>
            <td class={node.restarts > 0 ? "warn" : ""}>{count(node.restarts)}</td>
          </tr>
        ))}
      </Table>
      <Table title="Links" columns={["Link", "QoS", "Via", "Rate", "Queue", "p50", "p99", "Lost"]} text={3}>
        {flow.links.map((link) => (
          <tr key={`${link.source}/${link.target}`}>
            <th scope="row">
              <a href={routeTo("topology", "link", link.source, link.target)}><Arrow from={link.source} to={link.target} /></a>
            </th>
            <td>{link.qos}</td>
            <td>{link.via}</td>
            <td>{rate(link.rate)}</td>
            <td>{link.depth}/{link.capacity}</td>
            <td>{millis(link.latency_p50_ms)}</td>
            <td>{millis(link.latency_p99_ms)}</td>
            <Losses link={link} />
          </tr>
        ))}
      </Table>
    </div>
  );
}

/** A realtime link skips frames by design; what other links drop is a loss. */
function Losses({ link }: { link: LinkStatus }): JSX.Element {
  if (link.dropped === 0) return <td>0</td>;
  const realtime = link.qos === "realtime";
  return <td class={realtime ? "" : "warn"}>{count(link.dropped)} {realtime ? "skipped" : "dropped"}</td>;
}

/** `text` columns are words and stand left; the others are numbers and stand right. */
function Table(props: { title: string; columns: string[]; text: number; children: ComponentChildren }): JSX.Element {
  return (
    <section class="table-frame" tabIndex={0} aria-label={props.title}>
      <table data-text={props.text}>
        <thead>
          <tr>
            {props.columns.map((column) => (
              <th key={column} scope="col">{column}</th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </section>
  );
}
