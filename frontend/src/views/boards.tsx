/** Boards: where each stands, what its models are, how its time divides, and a place to drop a new model. */

import type { JSX } from "preact";

import { ago, bytes, count, millis, rate } from "../state/format";
import { devices, updatedAt } from "../state/store";
import type { DeviceModel, DeviceStatus } from "../state/types";
import { Icon, type IconName } from "../ui/icons";
import { Empty, type Figure, Figures } from "../ui/parts";
import { Forecast } from "./boards/forecast";
import { Split } from "./boards/split";
import { ModelDrop, RollBack } from "./boards/swap";

export function Boards(): JSX.Element {
  if (devices.value.length === 0) {
    return (
      <Empty icon="boards" title="No boards">
        Start <code>edgeflow mcu serve --port PORT</code>, or try one without hardware: <code>edgeflow demo boards</code>.
      </Empty>
    );
  }
  return (
    <div class="boards">
      {devices.value.map((device) => (
        <Board key={device.name} device={device} />
      ))}
    </div>
  );
}

const STATES: Record<string, readonly [IconName, "ok" | "warn" | "bad"]> = {
  ready: ["running", "ok"],
  connecting: ["starting", "warn"],
  swapping: ["reload", "warn"],
  "no-model": ["warning", "warn"],
  lost: ["unplugged", "bad"],
};

function Board({ device }: { device: DeviceStatus }): JSX.Element {
  const [icon, level] = STATES[device.state] ?? ["lost", "warn"];
  const current = device.models.find((model) => model.slot !== "none") ?? device.models[0];
  return (
    <article class={`board ${level}`} aria-label={`Board ${device.name}`}>
      <header>
        <h2>{device.name}</h2>
        <span class={`state ${level}`}><Icon name={icon} />{device.state.replace("-", " ")}</span>
      </header>
      <p class="board-where">{identity(device).filter(Boolean).join(" · ")}</p>
      {device.state === "lost" && (
        <p class="model-note bad">
          <Icon name="failed" />
          {(device.last_error || "the board does not answer").replace(/\.?$/, ".")} {device.last_seen > 0 && `Last seen ${ago(updatedAt.value / 1000 - device.last_seen)}.`}
        </p>
      )}
      <Split device={device} />
      <Figures items={figures(device)} />
      <Models device={device} />
      {current && current.shape.length > 0 && <Forecast input={device.last_input} forecast={device.last_forecast} />}
      <ModelDrop device={device} model={current?.id ?? 0} />
      <Counters counters={device.counters} />
    </article>
  );
}

function identity(device: DeviceStatus): string[] {
  return [
    device.chip,
    device.firmware,
    device.port === device.name ? "" : device.port,
    device.baud > 0 ? `${count(device.baud)} baud` : "",
    device.protocol === "reference" ? "reference protocol" : "",
    device.unique_id,
  ];
}

export function figures(device: DeviceStatus): Figure[] {
  const time = (value: number): string => (value > 0 ? millis(value) : "–");
  const errors: Partial<Figure> = device.errors > 0 ? { level: "warn" } : {};
  const crowded: Partial<Figure> = device.queue_depth > device.queue_capacity * 0.8 ? { level: "warn" } : {};
  const queue = device.queue_capacity > 0 ? `${device.queue_depth}/${device.queue_capacity}` : String(device.queue_depth);
  return [
    { label: "Rate", value: rate(device.rate), note: "/s" },
    { label: "p50", value: time(device.p50_ms) },
    { label: "p99", value: time(device.p99_ms) },
    { label: "Queue", value: queue, ...crowded },
    { label: "Requests", value: count(device.requests) },
    { label: "Errors", value: count(device.errors), ...errors },
  ];
}

function Models({ device }: { device: DeviceStatus }): JSX.Element | null {
  const models = device.models.filter((model) => model.slot !== "none" || model.id === 0);
  if (models.length === 0) return null;
  return (
    <ul class="board-models" aria-label="Models">
      {models.map((model) => (
        <li key={model.id}>
          <ModelLine model={model} />
          {hasBefore(device, model) && <RollBack device={device.name} model={model} />}
        </li>
      ))}
    </ul>
  );
}

/** A board without slots knows no model before: what was flashed over is kept by the server. */
export function hasBefore(device: DeviceStatus, model: DeviceModel): boolean {
  if (device.protocol === "reference") return device.swap.step === "done";
  return model.previous !== "none" && model.previous !== model.slot;
}

function ModelLine({ model }: { model: DeviceModel }): JSX.Element {
  if (model.slot === "none") return <span class="muted">No model under {model.id}</span>;
  const [steps, features, horizon, hidden] = model.shape;
  return (
    <>
      <span class="board-model">
        <b>{model.name || "model"}</b>
        {model.version > 0 && <span class="tag">v{model.version}</span>}
        <span class="tag" title="Where the model lies in flash">{model.slot === "file" ? "file" : `slot ${model.slot}`}</span>
        {model.state === "trial" && <span class="tag warn">on trial</span>}
        <span class="tag">{model.dtype}</span>
      </span>
      <small title={model.sha256 ? `SHA-256 ${model.sha256}` : undefined}>
        {steps}×{features} in, {horizon} out, {hidden} wide · {bytes(model.bytes)}
        {model.sha256 && ` · ${model.sha256.slice(0, 8)}`}
      </small>
    </>
  );
}

function Counters({ counters }: { counters: Record<string, number> }): JSX.Element | null {
  const entries = Object.entries(counters);
  if (entries.length === 0) return null;
  return (
    <details class="tensors">
      <summary>Counters of the board</summary>
      <dl class="counters">
        {entries.map(([name, value]) => (
          <div key={name}><dt>{name.replaceAll("_", " ")}</dt><dd>{count(value)}</dd></div>
        ))}
      </dl>
    </details>
  );
}
