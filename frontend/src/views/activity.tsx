/** The activity view: what agents decided, what was done about it, and how that went. */

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { type ActivityFilter, filterActivity, type Kind, NO_FILTER, pipelinesOf, summary } from "../state/activity";
import { clock, count, millis } from "../state/format";
import { activity, status } from "../state/store";
import type { Activity } from "../state/types";
import { Icon, type IconName, isIcon } from "../ui/icons";
import { Json } from "../ui/json";
import { memo } from "../ui/memo";
import { Empty, Figures } from "../ui/parts";
import { Strip, STRIP_SECONDS } from "./activity/strip";

const SHOWN = 200;
const filter = signal<ActivityFilter>(NO_FILTER);

export function ActivityView(): JSX.Element {
  if (activity.value.length === 0) {
    return <Empty icon="activity" title="Nothing has happened yet">Alerts of agents and the actions they lead to appear here.</Empty>;
  }
  const now = status.value?.time ?? 0;
  const shown = filterActivity(activity.value, filter.value);
  return (
    <div class="activity">
      <Overview now={now} />
      <FilterBar found={shown.length} />
      {shown.length === 0 ? (
        <Empty icon="search" title="Nothing matches">
          <button type="button" class="button" onClick={() => (filter.value = NO_FILTER)}>Clear the filter</button>
        </Empty>
      ) : (
        <ol class="timeline" aria-label="Activity, newest first">
          {shown.slice(0, SHOWN).map((entry) => (
            <Entry key={entry.number} entry={entry} />
          ))}
        </ol>
      )}
      {shown.length > SHOWN && <p class="muted">{count(shown.length - SHOWN)} older entries are not shown.</p>}
    </div>
  );
}

function Overview({ now }: { now: number }): JSX.Element {
  const recent = summary(activity.value, now, STRIP_SECONDS);
  const figures = [
    { label: "Alerts", value: count(recent.alerts), note: "10 min" },
    { label: "Actions", value: count(recent.actions), note: "10 min" },
    { label: "Failures", value: count(recent.failures), note: "10 min", ...(recent.failures > 0 ? { level: "bad" as const } : {}) },
    { label: "Sensor to action", value: recent.latency === null ? "–" : millis(recent.latency), note: "median" },
  ];
  return (
    <section class="activity-overview" aria-label="The last ten minutes">
      <Figures items={figures} />
      <Strip entries={activity.value} now={now} />
    </section>
  );
}

const KIND_NAMES: readonly (readonly [Kind | "", string])[] = [
  ["", "All"],
  ["alert", "Alerts"],
  ["action", "Actions"],
  ["failure", "Failures"],
  ["other", "Other"],
];

function FilterBar({ found }: { found: number }): JSX.Element {
  const now = filter.value;
  const pipelines = pipelinesOf(activity.value);
  return (
    <form class="filter" role="search" onSubmit={(event) => event.preventDefault()}>
      <div class="choices" role="group" aria-label="Kind">
        {KIND_NAMES.map(([kind, name]) => (
          <button key={kind} type="button" class={`button ${kind}`} aria-pressed={now.kind === kind} onClick={() => (filter.value = { ...now, kind })}>
            {name}
          </button>
        ))}
      </div>
      {pipelines.length > 0 && (
        <label>
          <span class="hidden">Pipeline</span>
          <select value={now.pipeline} onChange={(event) => (filter.value = { ...now, pipeline: event.currentTarget.value })}>
            <option value="">all pipelines</option>
            {pipelines.map((name) => (
              <option key={name} value={name}>{name}</option>
            ))}
          </select>
        </label>
      )}
      <output class="muted">{count(found)}</output>
    </form>
  );
}

const Entry = memo<{ entry: Activity }>(function Entry({ entry }) {
  const [open, setOpen] = useState(false);
  const tone = entry.ok === false || entry.level === "error" ? "bad" : entry.kind === "alert" || entry.level === "warning" ? "warn" : entry.ok ? "ok" : "";
  return (
    <li class={`entry ${tone}`}>
      <button type="button" class="entry-row" aria-expanded={open} onClick={() => setOpen(!open)}>
        <time>{clock(entry.time)}</time>
        <span class="entry-mark" title={entry.kind}><Icon name={icon(entry)} label={entry.kind} /></span>
        <span class="entry-text">{entry.text}</span>
        <Way entry={entry} />
        {entry.latency_ms !== null && <span class="entry-latency" title="From the sensor's own time">{millis(entry.latency_ms)}</span>}
      </button>
      {open && <Detail entry={entry} />}
    </li>
  );
});

function icon(entry: Activity): IconName {
  if (entry.ok === false) return "failed";
  return isIcon(entry.kind) ? entry.kind : "activity";
}

/** `env-quality → air_quality_alert → log`. */
function Way({ entry }: { entry: Activity }): JSX.Element | null {
  const parts = [entry.pipeline, entry.agent, entry.dispatcher].filter(Boolean);
  if (parts.length === 0) return null;
  return <span class="entry-way">{parts.join(" → ")}</span>;
}

function Detail({ entry }: { entry: Activity }): JSX.Element {
  const facts: [string, string][] = [
    ["sensor", entry.sensor],
    ["target", entry.target],
    ["outcome", entry.ok === null ? "" : entry.ok ? "carried out" : "failed"],
  ];
  return (
    <div class="entry-detail">
      <dl>
        {facts.filter(([, value]) => value).map(([name, value]) => (
          <div key={name}><dt>{name}</dt><dd>{value}</dd></div>
        ))}
      </dl>
      {Object.keys(entry.detail).length > 0 && <Json value={entry.detail} />}
    </div>
  );
}
