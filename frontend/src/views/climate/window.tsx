/** A person sets the window: it moves at once, and the model learns from it. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";

import { reason, send } from "../../state/api";
import { figure } from "../../state/climate";
import type { ClimateDevice } from "../../state/climate-types";
import { Icon } from "../../ui/icons";
import { WindowGauge } from "./cards";

const KEY = "edgeflow.person";

export function WindowControl({ device, changed }: { device: ClimateDevice; changed: () => void }): JSX.Element {
  const wanted = useSignal<number | null>(null);
  const person = useSignal(remembered());
  const told = useSignal("");
  const failed = useSignal("");
  const position = wanted.value ?? Math.round(device.window?.position ?? 0);
  const set = async (event: Event): Promise<void> => {
    event.preventDefault();
    told.value = failed.value = "";
    remember(person.value);
    try {
      await send("PUT", `api/climate/devices/${encodeURIComponent(device.device_id)}/window`, JSON.stringify({ position, person: person.value }));
      told.value = `Set to ${figure(position, 0, "%")}; the model learns from it.`;
      wanted.value = null;
      changed();
    } catch (error) {
      failed.value = reason(error);
    }
  };
  return (
    <section class="card" aria-label="Window">
      <header><h3>Window</h3></header>
      <WindowGauge window={device.window} />
      <form class="window-form" onSubmit={(event) => void set(event)}>
        <label>
          <span>Where it should be</span>
          <b>{figure(position, 0, "%")}</b>
          <input type="range" min={0} max={100} step={5} value={position} onInput={(event) => (wanted.value = event.currentTarget.valueAsNumber)} />
        </label>
        <label>
          <span>Who says so</span>
          <input type="text" maxLength={64} placeholder="your name" autocomplete="nickname" value={person.value} onInput={(event) => (person.value = event.currentTarget.value)} />
        </label>
        <button type="submit" class="button primary">Set window</button>
      </form>
      {told.value && <p class="model-note ok" role="status"><Icon name="running" />{told.value}</p>}
      {failed.value && <p class="model-note bad" role="alert"><Icon name="failed" />{failed.value}</p>}
    </section>
  );
}

function remembered(): string {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

function remember(name: string): void {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // A browser that stores nothing asks again.
  }
}
