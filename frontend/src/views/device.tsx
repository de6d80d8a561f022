/** One device over time: what it measured, where its window was, what people said and set. */

import type { JSX } from "preact";

import { feature, figure, stateOf } from "../state/climate";
import type { ChartData, DeviceList, DevicePage } from "../state/climate-types";
import { ago } from "../state/format";
import { usePolled } from "../state/polling";
import { ranges } from "../state/ranges";
import { replaceRoute, route, routeTo } from "../state/route";
import { Bars } from "../ui/bars";
import { Icon } from "../ui/icons";
import { Empty } from "../ui/parts";
import { Plot } from "../ui/plot";
import { RangeChoice } from "../ui/ranges";
import { Decisions } from "./climate/decisions";
import { Metadata } from "./climate/metadata";
import { Refused } from "./climate/refused";
import { Removal } from "./climate/removal";
import { Settings } from "./climate/settings";
import { Troubles } from "./climate/troubles";
import { WindowControl } from "./climate/window";

const PAGE_MS = 3000;
const LIST_MS = 10_000;
const ONLY = ["mean"] as const;
const BAND = ["least", "most"] as const;

export function Device(): JSX.Element {
  const list = usePolled<DeviceList>("api/climate/devices?limit=1000", LIST_MS);
  const name = route.value.rest[0] ?? list.page?.devices[0]?.device_id ?? "";
  if (!list.page && !list.error) return <Empty icon="starting" title="Asking the store" />;
  if (!name) {
    return list.error ? <Refused error={list.error} /> : <Empty icon="climate" title="No device has spoken yet">Try rooms that are only software: <code>edgeflow climate simulate</code>.</Empty>;
  }
  return (
    <div class="device">
      <Chosen key={name} name={name} list={list.page} />
    </div>
  );
}

function Chosen({ name, list }: { name: string; list: DeviceList | null }): JSX.Element {
  const seconds = ranges.device.value;
  const { page, error, again } = usePolled<DevicePage>(`api/climate/devices/${encodeURIComponent(name)}?seconds=${seconds}`, PAGE_MS);
  return (
    <>
      <header class="view-head">
        <select class="device-choice" aria-label="Device" value={name} onChange={(event) => replaceRoute(routeTo("device", event.currentTarget.value))}>
          {!list?.devices.some((each) => each.device_id === name) && <option value={name}>{name}</option>}
          {list?.devices.map((each) => <option key={each.device_id} value={each.device_id}>{each.name === each.device_id ? each.name : `${each.name} (${each.device_id})`}</option>)}
        </select>
        {page && <Standing page={page} />}
        <RangeChoice chosen={ranges.device} />
      </header>
      <Refused error={error} />
      {page ? (
        <div class="device-body">
          <div class="device-main">
            <Charts page={page} />
            <Decisions rows={page.decisions} stretch={seconds} />
          </div>
          <aside class="rail" aria-label={`Window and settings of ${name}`}>
            <WindowControl device={page.device} changed={again} />
            <Metadata device={page.device} changed={again} />
            <Settings device={name} configuration={page.configuration} changed={again} />
            <Openness counts={page.openness} />
            <Troubles rows={page.events} stretch={seconds} title="Events" />
            <Removal device={page.device} removed={() => replaceRoute(routeTo("climate"))} />
          </aside>
        </div>
      ) : (
        !error && <Empty icon="starting" title="Asking the store" />
      )}
    </>
  );
}

function Standing({ page }: { page: DevicePage }): JSX.Element {
  const { device, time } = page;
  const [level, text] = stateOf(device);
  return (
    <p class="device-state">
      <span class={`state ${level}`}><Icon name={level === "bad" || level === "left" ? "unplugged" : level === "warn" ? "warning" : "running"} />{text}</span>
      <span class="muted">heard {ago(Math.max(0, time - device.last_seen))}</span>
    </p>
  );
}

function Charts({ page }: { page: DevicePage }): JSX.Element {
  const known = Object.entries(page.sensors).filter(([name, chart]) => name in FIXED || !bare(chart));
  return (
    <div class="device-charts">
      <section class="card" aria-label="Window position">
        <header><h3>Window</h3><span class="muted">per cent open</span></header>
        <Plot
          label="Window position"
          chart={page.window}
          only={ONLY}
          names={{ mean: "decided" }}
          range={[0, 105]}
          format={(value) => figure(value, 0)}
          marks={page.overrides.map((each) => ({ time: each.time, value: each.position }))}
          markName="set by a person"
          stepped
          filled
          group="device"
        />
      </section>
      {known.map(([name, chart]) => {
        const { title, digits, unit } = feature(name);
        return (
          <section key={name} class="card" aria-label={title}>
            <header><h3>{title}</h3><span class="muted">{unit}</span></header>
            <Plot label={title} chart={chart} only={ONLY} band={BAND} names={{ mean: "mean" }} format={(value) => figure(value, digits)} group="device" />
          </section>
        );
      })}
      <section class="card" aria-label="Confidence">
        <header><h3>Confidence</h3><span class="muted">0 to 1</span></header>
        <Plot label="Confidence of decisions" chart={page.confidence} only={ONLY} band={BAND} range={[0, 1]} format={(value) => figure(value, 2)} group="device" />
      </section>
    </div>
  );
}

const FIXED: Record<string, true> = { temperature: true, humidity: true, sound_volume: true };

function bare(chart: ChartData): boolean {
  return chart.lines.every((line) => line.values.every((value) => value === null));
}

function Openness({ counts }: { counts: Record<string, number> }): JSX.Element {
  const total = Object.values(counts).reduce((sum, each) => sum + each, 0);
  return (
    <section class="card" aria-label="How open the window was">
      <header><h3>How open</h3><span class="muted">decisions in this time</span></header>
      <Bars label="Decisions by position" most={Math.max(total, 1)} bars={Object.entries(counts).map(([name, value]) => ({ name, value, text: String(value) }))} />
    </section>
  );
}
