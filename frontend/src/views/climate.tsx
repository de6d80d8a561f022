/** The climate system at a glance: every device, its window, what is heard and what was decided. */

import { signal } from "@preact/signals";
import type { JSX } from "preact";

import { feature, figure } from "../state/climate";
import type { DeviceList, OverviewPage } from "../state/climate-types";
import { count } from "../state/format";
import { usePolled } from "../state/polling";
import { ranges } from "../state/ranges";
import { climate } from "../state/store";
import { Empty, type Figure, Figures } from "../ui/parts";
import { Plot } from "../ui/plot";
import { RangeChoice } from "../ui/ranges";
import { DeviceCards } from "./climate/cards";
import { Decisions } from "./climate/decisions";
import { Refused } from "./climate/refused";

const DEVICES_MS = 2000;
const PAGE_MS = 5000;
const group = signal("");
const search = signal("");
/** The id behind which the devices shown begin, for each page turned. */
const turned = signal<readonly string[]>([]);

export function Climate(): JSX.Element {
  const seconds = ranges.climate.value;
  const query = new URLSearchParams({ group: group.value, search: search.value, after: turned.value.at(-1) ?? "" });
  const devices = usePolled<DeviceList>(`api/climate/devices?${query}`, DEVICES_MS);
  const page = usePolled<OverviewPage>(`api/climate/overview?seconds=${seconds}&group=${encodeURIComponent(group.value)}`, PAGE_MS);
  if (!devices.page && !devices.error) return <Empty icon="starting" title="Asking the store" />;
  const list = devices.page;
  const names = Object.fromEntries((list?.devices ?? []).map((device) => [device.device_id, device.name]));
  const nobody = list?.total === 0 && !search.value && !group.value;
  return (
    <div class="climate">
      <header class="view-head">
        <h1>Climate</h1>
        {list && <Choice list={list} />}
        <RangeChoice chosen={ranges.climate} />
      </header>
      <Refused error={devices.error || page.error} />
      <Figures items={figures(list, page.page)} />
      {nobody ? (
        <Empty icon="climate" title="No device has spoken yet">
          Point nodes at the broker, or try rooms that are only software: <code>edgeflow climate simulate</code>.
        </Empty>
      ) : (
        list && <DeviceCards list={list} turned={turned} />
      )}
      {page.page && !nobody && <Charts page={page.page} names={names} />}
      {page.page && !nobody && <Decisions rows={page.page.decisions} stretch={seconds} devices={names} />}
    </div>
  );
}

function Choice({ list }: { list: DeviceList }): JSX.Element {
  const begin = (): void => { turned.value = []; };
  return (
    <span class="climate-choice">
      <input type="search" placeholder="Find a device" aria-label="Find a device" value={search.value} onInput={(event) => { search.value = event.currentTarget.value; begin(); }} />
      {list.groups.length > 0 && (
        <select aria-label="Group" value={group.value} onChange={(event) => { group.value = event.currentTarget.value; begin(); }}>
          <option value="">All groups</option>
          {list.groups.map((name) => <option key={name} value={name}>{name}</option>)}
        </select>
      )}
    </span>
  );
}

function figures(list: DeviceList | null, page: OverviewPage | null): Figure[] {
  const now = climate.value;
  const here = list ? list.total - list.left : 0;
  const away = list ? here - list.online : 0;
  return [
    { label: "Online", value: list ? `${list.online}/${here}` : "–", ...(away > 0 ? { level: "warn" as const } : {}) },
    { label: "Mean temp.", value: mean(list, "temperature") },
    { label: "Mean humidity", value: mean(list, "humidity") },
    { label: "Readings", value: now ? figure(now.rate, now.rate < 10 ? 1 : 0) : "–", note: "/s" },
    { label: "Decisions", value: page ? count(page.decided) : "–" },
    { label: "Set by people", value: page ? count(page.overridden) : "–" },
  ];
}

/** Mean of what the devices shown say now. */
export function mean(list: DeviceList | null, name: string): string {
  const values = (list?.devices ?? []).map((device) => device.readings[name]?.value).filter((value) => value !== undefined);
  const { digits, unit } = feature(name);
  return values.length === 0 ? "–" : figure(values.reduce((total, value) => total + value, 0) / values.length, digits, unit);
}

function Charts({ page, names }: { page: OverviewPage; names: Record<string, string> }): JSX.Element {
  return (
    <div class="climate-charts four">
      {Object.entries(page.features).map(([name, chart]) => {
        const { title, digits, unit } = feature(name);
        return (
          <section key={name} class="card" aria-label={`${title} trends`}>
            <header><h3>{title}</h3><span class="muted">{chart.lines.length > 7 ? `first ${chart.lines.length} devices` : unit}</span></header>
            <Plot label={`${title} trends`} chart={chart} names={names} format={(value) => figure(value, digits)} group="climate" />
          </section>
        );
      })}
      <section class="card" aria-label="Message throughput">
        <header><h3>Messages</h3><span class="muted">a minute</span></header>
        <Plot label="Messages a minute" chart={page.throughput} format={(value) => figure(value, 0)} group="climate" />
      </section>
    </div>
  );
}
