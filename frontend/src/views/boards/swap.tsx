/** Changing a board's model: drop a file, watch it arrive, go back. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";

import { reason, send } from "../../state/api";
import { bytes } from "../../state/format";
import type { DeviceModel, DeviceStatus } from "../../state/types";
import { Icon } from "../../ui/icons";

const MAX_BYTES = 4 << 20;

export function ModelDrop({ device, model }: { device: DeviceStatus; model: number }): JSX.Element {
  const over = useSignal(false);
  const refusal = useSignal("");
  const chooser = useRef<HTMLInputElement>(null);
  const give = async (file: File | undefined): Promise<void> => {
    over.value = false;
    refusal.value = file && file.size > MAX_BYTES ? `${file.name} has ${bytes(file.size)}; a model has at most ${bytes(MAX_BYTES)}` : "";
    if (!file || refusal.value) return;
    refusal.value = await outcome("PUT", `api/devices/${encodeURIComponent(device.name)}/models/${model}`, file);
  };
  return (
    <div
      class={`drop ${over.value ? "over" : ""}`}
      onDragOver={(event) => { event.preventDefault(); over.value = true; }}
      onDragLeave={() => { over.value = false; }}
      onDrop={(event) => { event.preventDefault(); void give(event.dataTransfer?.files[0]); }}
    >
      <Progress device={device} />
      <p class="drop-call">
        <Icon name="down" />
        Drop a model file here, or{" "}
        <button type="button" class="link" onClick={() => chooser.current?.click()}>choose one</button>
      </p>
      <input
        ref={chooser}
        type="file"
        hidden
        aria-label={`Model file for ${device.name}`}
        onChange={(event) => { void give(event.currentTarget.files?.[0]); event.currentTarget.value = ""; }}
      />
      {refusal.value && <p class="model-note bad" role="alert"><Icon name="failed" />{refusal.value}</p>}
    </div>
  );
}

function Progress({ device }: { device: DeviceStatus }): JSX.Element | null {
  const { step, done = 0, total = 0, text = "", error = "" } = device.swap;
  if (!step) return null;
  if (step === "failed") return <p class="model-note bad"><Icon name="failed" />{error || text}</p>;
  if (step === "done") return <p class="model-note ok"><Icon name="running" />{text}</p>;
  return (
    <div class="swap" role="status">
      <span>{text || step}</span>
      <progress max={total || undefined} value={total ? done : undefined} />
      <span>{total ? `${Math.round((100 * done) / total)} %` : ""}</span>
    </div>
  );
}

export function RollBack({ device, model }: { device: string; model: DeviceModel }): JSX.Element {
  const refusal = useSignal("");
  const back = async (): Promise<void> => {
    refusal.value = await outcome("POST", `api/devices/${encodeURIComponent(device)}/models/${model.id}/rollback`, null);
  };
  const where = { file: "in the file", none: "before" }[model.previous] ?? `in slot ${model.previous}`;
  return (
    <>
      <button type="button" class="button small" title={`Go back to the model ${where}`} onClick={() => void back()}>
        <Icon name="undo" />Roll back
      </button>
      {refusal.value && <p class="model-note bad" role="alert"><Icon name="failed" />{refusal.value}</p>}
    </>
  );
}

/** What went wrong, empty if nothing did. */
async function outcome(method: "POST" | "PUT", path: string, body: Blob | null): Promise<string> {
  try {
    await send(method, path, body);
    return "";
  } catch (error) {
    return reason(error);
  }
}
