/** A card for each device: what it says now, and how far its window is open. */

import type { Signal } from "@preact/signals";
import type { JSX } from "preact";

import { feature, figure, openness, percent, stateOf } from "../../state/climate";
import type { ClimateDevice, DeviceList, WindowState } from "../../state/climate-types";
import { ago } from "../../state/format";
import { routeTo } from "../../state/route";
import { Icon } from "../../ui/icons";

const SHOWN = ["temperature", "humidity", "sound_volume"];

export function DeviceCards({ list, turned }: { list: DeviceList; turned: Signal<readonly string[]> }): JSX.Element {
  const last = list.devices.at(-1);
  const more = list.devices.length < list.total && last !== undefined && list.devices.length >= 200;
  return (
    <>
      <ul class="rooms" aria-label="Devices">
        {list.devices.filter((device) => !device.left).map((device) => <Card key={device.device_id} device={device} />)}
      </ul>
      <Left devices={list.devices.filter((device) => device.left)} />
      {list.devices.length === 0 && <p class="muted">No device fits.</p>}
      {(more || turned.value.length > 0) && (
        <p class="actions">
          <button type="button" class="button small" disabled={turned.value.length === 0} onClick={() => (turned.value = turned.value.slice(0, -1))}>Before</button>
          <button type="button" class="button small" disabled={!more} onClick={() => (turned.value = [...turned.value, last?.device_id ?? ""])}>Next</button>
          <span class="muted">{list.devices.length} of {list.total}</span>
        </p>
      )}
    </>
  );
}

/** Those that were only tried, folded away: name and when, no empty cards. */
function Left({ devices }: { devices: ClimateDevice[] }): JSX.Element | null {
  if (devices.length === 0) return null;
  return (
    <details class="rooms-left">
      <summary>{devices.length} left: tried for a moment, silent since</summary>
      <ul>
        {devices.map((device) => (
          <li key={device.device_id}>
            <a href={routeTo("device", device.device_id)}>{device.device_id}</a>
            <span class="muted">heard {ago(Date.now() / 1000 - device.last_seen)}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Card({ device }: { device: ClimateDevice }): JSX.Element {
  const [level, text] = stateOf(device);
  return (
    <li>
      <a class={`room-card ${level}`} href={routeTo("device", device.device_id)} title={device.device_id}>
        <span class="room-top">
          <b>{device.name}</b>
          <span class={`state ${level}`}><Icon name={level === "bad" || level === "left" ? "unplugged" : level === "warn" ? "warning" : "running"} />{text}</span>
        </span>
        <span class="room-where muted">
          {[device.location === "Unknown" ? "" : device.location, ...device.groups].filter(Boolean).join(" · ") || device.device_id}
          {!device.online && ` · ${ago(Date.now() / 1000 - device.last_seen)}`}
        </span>
        <span class="room-values">
          {SHOWN.map((name) => <Value key={name} name={name} device={device} />)}
        </span>
        <WindowGauge window={device.window} />
      </a>
    </li>
  );
}

function Value({ name, device }: { name: string; device: ClimateDevice }): JSX.Element {
  const { short, digits, unit } = feature(name);
  const reading = device.readings[name];
  return (
    <span class="room-value">
      <small>{short}</small>
      <b>{reading ? figure(reading.value, digits) : "–"}<small>{reading ? unit : ""}</small></b>
    </span>
  );
}

/** How far a window is open, who said so, and how sure it was. */
export function WindowGauge({ window }: { window: WindowState | null }): JSX.Element {
  if (!window) return <span class="opening none"><span class="opening-text muted">no decision in a day</span></span>;
  const by = window.by === "person" ? `by ${window.note || "hand"}` : `${percent(window.confidence)} sure`;
  return (
    <span class={`opening by-${window.by}`}>
      <span class="opening-bar" role="meter" aria-label="Window position" aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(window.position)}>
        <i style={{ width: `${window.position}%` }} />
      </span>
      <span class="opening-text"><b>{figure(window.position, 0, "%")}</b> {openness(window.position)}<span class="muted">{by}</span></span>
    </span>
  );
}
