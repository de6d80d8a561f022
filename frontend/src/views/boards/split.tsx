/** Where the median request's time goes: on the wire, in the model, elsewhere. */

import type { JSX } from "preact";

import { millis } from "../../state/format";
import type { DeviceStatus } from "../../state/types";

/** Shares below this are not drawn. */
const LEAST_SHARE = 0.005;

interface Part {
  name: "wire" | "compute" | "waiting";
  value: number;
}

export function Split({ device }: { device: DeviceStatus }): JSX.Element | null {
  const shown = parts(device);
  if (shown.length === 0) return null;
  return (
    <div class="split">
      <div class="split-bar" role="img" aria-label={shown.map((part) => `${part.name} ${millis(part.value)}`).join(", ")}>
        {shown.map((part) => <span key={part.name} class={part.name} style={{ flexGrow: part.value }} />)}
      </div>
      <ul>
        {shown.map((part) => (
          <li key={part.name}><span class={`dot ${part.name}`} />{part.name} <b>{millis(part.value)}</b></li>
        ))}
      </ul>
    </div>
  );
}

export function parts(device: DeviceStatus): Part[] {
  const total = device.p50_ms;
  const wire = Math.min(device.wire_p50_ms, total);
  const compute = Math.min(device.compute_p50_ms, total - wire);
  const all: Part[] = [
    { name: "wire", value: wire },
    { name: "compute", value: compute },
    { name: "waiting", value: total - wire - compute },
  ];
  return all.filter((part) => part.value > total * LEAST_SHARE);
}
