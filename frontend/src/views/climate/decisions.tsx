/** A table of decisions: from what, how sure, how fast, and what a person made of it. */

import type { JSX } from "preact";

import { figure, percent } from "../../state/climate";
import type { DecisionRow } from "../../state/climate-types";
import { clock, millis } from "../../state/format";
import { moment } from "../../state/ranges";
import { routeTo } from "../../state/route";

const NEAR = 10;

/** With `devices`, their names by id, a row says whose it is. */
export function Decisions({ rows, stretch, devices }: { rows: readonly DecisionRow[]; stretch: number; devices?: Record<string, string> }): JSX.Element {
  return (
    <section class="card" aria-label="Recent decisions">
      <header><h3>Recent decisions</h3><span class="muted">{rows.length === 0 ? "none in this time" : `the newest ${rows.length}`}</span></header>
      {rows.length > 0 && (
        <div class="table-box" tabIndex={0} role="region" aria-label="Table of decisions">
          <table class="listing">
            <thead>
              <tr>
                <th>Time</th>
                {devices && <th>Device</th>}
                <th class="right">Window</th>
                <th class="right">Sure</th>
                <th class="right">Person</th>
                <th class="right">Temp.</th>
                <th class="right">Humidity</th>
                <th class="right">Sound</th>
                <th>Asked for</th>
                <th>Rule</th>
                <th>Model</th>
                <th class="right">Took</th>
              </tr>
            </thead>
            <tbody>{rows.map((row) => <Row key={`${row.device_id} ${row.time} ${row.model_version}`} row={row} stretch={stretch} name={devices && (devices[row.device_id] ?? row.device_id)} />)}</tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Row({ row, stretch, name }: { row: DecisionRow; stretch: number; name: string | undefined }): JSX.Element {
  const [wanted, apart] = [row.wanted, row.wanted === null ? 0 : Math.abs(row.wanted - row.position)];
  return (
    <tr>
      <td>{stretch <= 86_400 ? clock(row.time) : moment(row.time, 604_800)}</td>
      {name && <td><a href={routeTo("device", row.device_id)} title={row.device_id}>{name}</a></td>}
      <td class="right"><b>{figure(row.position, 0, "%")}</b></td>
      <td class="right">{percent(row.confidence)}</td>
      <td class={`right ${apart > NEAR ? "warn" : ""}`}>{wanted === null ? "" : figure(wanted, 0, "%")}</td>
      <td class="right">{figure(row.temperature, 1)}</td>
      <td class="right">{figure(row.humidity)}</td>
      <td class="right">{figure(row.sound_volume)}</td>
      <td title={zScores(row)}>{row.reason.replaceAll(",", ", ").replaceAll("_", " ")}</td>
      <td>{row.rule}</td>
      <td>{row.model_version}</td>
      <td class="right">{row.inference_time_ms === null ? "–" : millis(row.inference_time_ms)}</td>
    </tr>
  );
}

function zScores(row: DecisionRow): string | undefined {
  const known = row.z_scores.filter((score) => score !== null && score !== 0);
  return known.length === 0 ? undefined : `deviations: ${row.z_scores.map((score) => figure(score, 2)).join(", ")}`;
}
