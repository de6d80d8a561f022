/** Whether the climate system is well: services, messages, the store, what went wrong, who is silent. */

import type { JSX } from "preact";

import { figure } from "../state/climate";
import type { ClimateDevice, DeviceList, HealthPage, ServiceRow } from "../state/climate-types";
import { ago, bytes, count, millis } from "../state/format";
import { usePolled } from "../state/polling";
import { ranges } from "../state/ranges";
import { routeTo } from "../state/route";
import { Icon, type IconName } from "../ui/icons";
import { Empty, type Figure, Figures } from "../ui/parts";
import { Plot } from "../ui/plot";
import { RangeChoice } from "../ui/ranges";
import { Refused } from "./climate/refused";
import { Troubles } from "./climate/troubles";

const PAGE_MS = 3000;
const LIST_MS = 5000;
const SHOWN_DEVICES = 50;

export function HealthView(): JSX.Element {
  const seconds = ranges.health.value;
  const { page, error } = usePolled<HealthPage>(`api/climate/health?seconds=${seconds}`, PAGE_MS);
  const list = usePolled<DeviceList>("api/climate/devices?limit=1000", LIST_MS);
  return (
    <div class="climate">
      <header class="view-head"><h1>Health</h1><RangeChoice chosen={ranges.health} /></header>
      <Refused error={error} />
      {page?.store_error && <Refused error={`The store does not answer: ${page.store_error}`} />}
      {page ? <Body page={page} seconds={seconds} devices={list.page?.devices ?? []} /> : !error && <Empty icon="starting" title="Asking the store" />}
    </div>
  );
}

function Body({ page, seconds, devices }: { page: HealthPage; seconds: number; devices: readonly ClimateDevice[] }): JSX.Element {
  return (
    <>
      <Services page={page} />
      <Figures items={figures(page)} />
      <div class="climate-charts">
        <section class="card" aria-label="Message rates">
          <header><h3>Messages</h3><span class="muted">a second</span></header>
          <Plot label="Messages a second" chart={page.rates} format={(value) => figure(value, 2)} group="health" />
        </section>
        <section class="card" aria-label="Ingest">
          <header><h3>Rows</h3><span class="muted">an hour</span></header>
          <Plot label="Rows an hour" chart={page.ingest} format={(value) => (value === null || value === undefined ? "–" : count(value))} stepped group="health" />
        </section>
        <section class="card" aria-label="Errors">
          <header><h3>Errors</h3><span class="muted">a minute</span></header>
          <Plot label="Errors a minute" chart={page.errors} format={(value) => figure(value, 1)} group="health" />
        </section>
        <section class="card" aria-label="Time to store a batch">
          <header><h3>Time to store a batch</h3><span class="muted">ms</span></header>
          <Plot label="Milliseconds to store a batch" chart={page.batches} format={(value) => figure(value, 1)} group="health" />
        </section>
        <Queries page={page} />
        <Rows page={page} />
      </div>
      <div class="health-lists">
        <LastSeen devices={devices} now={page.time} />
        <Troubles rows={page.troubles} stretch={seconds} title="Errors and events" />
      </div>
    </>
  );
}

const LEVELS: Record<string, readonly [IconName, "ok" | "warn" | "bad"]> = {
  ok: ["running", "ok"],
  failed: ["failed", "bad"],
  silent: ["unplugged", "warn"],
};

function Services({ page }: { page: HealthPage }): JSX.Element {
  return (
    <ul class="services" aria-label="Services">
      {page.services.map((service) => <Service key={service.service} service={service} now={page.time} />)}
    </ul>
  );
}

function Service({ service, now }: { service: ServiceRow; now: number }): JSX.Element {
  const [icon, level] = LEVELS[service.state] ?? (["lost", "warn"] as const);
  return (
    <li class={`service ${level}`}>
      <b>{service.service}</b>
      <span class={`state ${level}`}><Icon name={icon} />{service.state}</span>
      <span class="muted">{service.detail || (service.value !== null ? `${millis(service.value)} a batch` : service.state === "silent" ? ago(Math.max(0, now - service.time)) : "")}</span>
    </li>
  );
}

function figures(page: HealthPage): Figure[] {
  const value = (key: string): number => page.counters[key] ?? 0;
  const bad = (key: string): Partial<Figure> => (value(key) > 0 ? { level: "warn" } : {});
  return [
    { label: "Readings", value: count(value("readings")) },
    { label: "Repeated", value: count(value("repeated")) },
    { label: "Refused", value: count(value("refused")), ...bad("refused") },
    { label: "Clocks off", value: count(value("clocks_off")), ...bad("clocks_off") },
    { label: "Rows stored", value: count(value("stored")) },
    { label: "Rows refused", value: count(value("store_refused")), ...bad("store_refused") },
    { label: "Store away", value: count(value("store_failures")), note: "times", ...bad("store_failures") },
    { label: "Waits in spool", value: bytes(value("spool_bytes")), ...(value("spool_bytes") > 1 << 20 ? { level: "warn" as const } : {}) },
    { label: "Last batch", value: millis(value("store_ms")) },
    { label: "Last decision", value: millis(value("decision_ms")) },
  ];
}

function Queries({ page }: { page: HealthPage }): JSX.Element {
  return (
    <section class="card" aria-label="Store query time">
      <header><h3>Store query time</h3><span class="muted">of this dashboard</span></header>
      <div class="table-box short" tabIndex={0} role="region" aria-label="Table of queries">
        <table class="listing">
          <thead><tr><th>Question</th><th class="right">p50</th><th class="right">p95</th><th class="right">Asked</th><th class="right">Failed</th></tr></thead>
          <tbody>
            {page.queries.map((each) => (
              <tr key={each.question}>
                <td>{each.question.replaceAll("_", " ")}</td>
                <td class="right">{millis(each.p50_ms)}</td>
                <td class="right">{millis(each.p95_ms)}</td>
                <td class="right">{count(each.count)}</td>
                <td class={`right ${each.errors > 0 ? "warn" : ""}`}>{count(each.errors)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Rows({ page }: { page: HealthPage }): JSX.Element {
  return (
    <section class="card" aria-label="Rows by table">
      <header><h3>Rows by table</h3><span class="muted">in this time</span></header>
      <div class="table-box short" tabIndex={0} role="region" aria-label="Table of tables">
        <table class="listing">
          <thead><tr><th>Table</th><th class="right">Rows</th></tr></thead>
          <tbody>{Object.entries(page.rows).map(([name, value]) => <tr key={name}><td>{name.replaceAll("_", " ")}</td><td class={`right ${name === "dead_letters" && value > 0 ? "warn" : ""}`}>{count(value)}</td></tr>)}</tbody>
        </table>
      </div>
    </section>
  );
}

function LastSeen({ devices, now }: { devices: readonly ClimateDevice[]; now: number }): JSX.Element {
  const oldest = [...devices].sort((a, b) => a.last_seen - b.last_seen).slice(0, SHOWN_DEVICES);
  return (
    <section class="card" aria-label="Last seen">
      <header><h3>Last seen</h3><span class="muted">longest ago first</span></header>
      <div class="table-box short" tabIndex={0} role="region" aria-label="Table of devices">
        <table class="listing">
          <thead><tr><th>Device</th><th>State</th><th class="right">Heard</th></tr></thead>
          <tbody>
            {oldest.map((device) => {
              const level = levelOf(Math.max(0, now - device.last_seen), device.online);
              return (
                <tr key={device.device_id}>
                  <td><a href={routeTo("device", device.device_id)}>{device.name}</a></td>
                  <td><span class={`state ${level}`}><Icon name={level === "ok" ? "running" : level === "warn" ? "warning" : "unplugged"} />{device.online ? "online" : "offline"}</span></td>
                  <td class="right">{ago(Math.max(0, now - device.last_seen))}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** Five minutes are healthy, a quarter of an hour is a warning. */
export function levelOf(silence: number, online: boolean): "ok" | "warn" | "bad" {
  if (!online || silence >= 900) return "bad";
  return silence >= 300 ? "warn" : "ok";
}
