/** What happened or went wrong, newest first. */

import type { JSX } from "preact";

import type { Trouble } from "../../state/climate-types";
import { clock } from "../../state/format";
import { moment } from "../../state/ranges";
import { Icon, type IconName } from "../../ui/icons";

const KINDS: Record<string, readonly [IconName, "ok" | "warn" | "bad" | ""]> = {
  device_registered: ["pin", ""],
  device_online: ["running", "ok"],
  device_heard: ["running", "ok"],
  device_recovered: ["running", "ok"],
  device_configured: ["running", "ok"],
  device_offline: ["unplugged", "bad"],
  device_failed: ["failed", "bad"],
  device_silent: ["warning", "warn"],
  device_refused: ["failed", "warn"],
  message: ["dropped", "warn"],
  failed: ["failed", "bad"],
};

export function Troubles({ rows, stretch, title }: { rows: readonly Trouble[]; stretch: number; title: string }): JSX.Element {
  return (
    <section class="card" aria-label={title}>
      <header><h3>{title}</h3><span class="muted">{rows.length === 0 ? "nothing in this time" : `the newest ${rows.length}`}</span></header>
      <ul class="troubles">
        {rows.map((row, at) => {
          const [icon, level] = KINDS[row.kind] ?? (["alert", "warn"] as const);
          return (
            <li key={`${row.time} ${row.kind} ${row.device_id} ${at}`}>
              <span class={`state ${level}`}><Icon name={icon} label={row.kind.replaceAll("_", " ")} /></span>
              <time>{stretch <= 86_400 ? clock(row.time) : moment(row.time, 604_800)}</time>
              <span><b>{nameOf(row)}</b> {row.detail}</span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/** Whom it is about, and what. */
export function nameOf(row: Trouble): string {
  if (row.kind === "message") return row.source;
  if (row.kind === "failed") return row.source;
  return `${row.device_id} ${row.kind.replace(/^device_/, "").replaceAll("_", " ")}`;
}
