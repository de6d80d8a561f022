/** Taking a device out of the registry: asked twice, and with its data only if that is said. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";

import { reason, sendJson } from "../../state/api";
import type { ClimateDevice } from "../../state/climate-types";
import { Icon } from "../../ui/icons";

export function Removal({ device, removed }: { device: ClimateDevice; removed: () => void }): JSX.Element {
  const asking = useSignal(false);
  const forget = useSignal(false);
  const busy = useSignal(false);
  const failed = useSignal("");
  const remove = async (): Promise<void> => {
    failed.value = "";
    busy.value = true;
    try {
      await sendJson<{ deleted_rows: number }>("DELETE", removalOf(device.device_id, forget.value));
      removed();
    } catch (error) {
      failed.value = reason(error);
    } finally {
      busy.value = false;
    }
  };
  return (
    <section class="card" aria-label="Remove the device">
      <header><h3>Remove</h3></header>
      {asking.value ? (
        <>
          <p>Take <b>{device.name}</b> out of the registry? {device.online && "It is online, and will be back as a new device when it speaks."}</p>
          <label class="removal-data">
            <input type="checkbox" checked={forget.value} onChange={(event) => (forget.value = event.currentTarget.checked)} />
            <span>Delete all that is stored of it, too</span>
          </label>
          <div class="actions">
            <button type="button" class="button small primary" disabled={busy.value} onClick={() => void remove()}>
              {forget.value ? "Remove and delete" : "Remove"}
            </button>
            <button type="button" class="button small" disabled={busy.value} onClick={() => (asking.value = false)}>Keep it</button>
          </div>
        </>
      ) : (
        <div class="actions">
          <button type="button" class="button small" onClick={() => { asking.value = true; forget.value = false; }}>Remove this device…</button>
        </div>
      )}
      {failed.value && <p class="model-note bad" role="alert"><Icon name="failed" />{failed.value}</p>}
    </section>
  );
}

/** Where a removal is sent. */
export function removalOf(device: string, forget: boolean): string {
  return `api/climate/devices/${encodeURIComponent(device)}${forget ? "?forget_data=true" : ""}`;
}
