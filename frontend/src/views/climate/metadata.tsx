/** What people say of a device: name, place, groups, tags, how long it may be silent. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";

import { reason, sendJson } from "../../state/api";
import { words } from "../../state/climate";
import type { ClimateDevice } from "../../state/climate-types";
import { Icon } from "../../ui/icons";

interface Draft {
  name: string;
  location: string;
  groups: string;
  tags: string;
  silence_seconds: string;
}

export function Metadata({ device, changed }: { device: ClimateDevice; changed: () => void }): JSX.Element {
  const draft = useSignal<Partial<Draft>>({});
  const failed = useSignal("");
  const known: Draft = { name: device.name, location: device.location, groups: device.groups.join(", "), tags: device.tags.join(", "), silence_seconds: String(device.silence_seconds) };
  const shown = { ...known, ...draft.value };
  const edited = Object.entries(draft.value).some(([key, value]) => known[key as keyof Draft] !== value);
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    failed.value = "";
    try {
      await sendJson<ClimateDevice>("PATCH", `api/climate/devices/${encodeURIComponent(device.device_id)}`, editOf(draft.value));
      draft.value = {};
      changed();
    } catch (error) {
      failed.value = reason(error);
    }
  };
  const field = (key: keyof Draft, label: string, more: JSX.IntrinsicElements["input"] = {}): JSX.Element => (
    <label>
      <span>{label}</span>
      <input type="text" {...more} value={shown[key]} onInput={(event) => (draft.value = { ...draft.value, [key]: event.currentTarget.value })} />
    </label>
  );
  return (
    <section class="card" aria-label="Device">
      <header><h3>Device</h3><span class="tag">{device.kind}</span><code>{device.device_id}</code></header>
      <form class="settings" onSubmit={(event) => void save(event)}>
        {field("name", "Name", { required: true, maxLength: 80 })}
        {field("location", "Place", { maxLength: 80 })}
        {field("groups", "Groups", { placeholder: "with commas between" })}
        {field("tags", "Tags", { placeholder: "with commas between" })}
        {field("silence_seconds", "Offline after, s", { type: "number", min: 1, max: 2_592_000, step: "any", required: true })}
        <div class="actions">
          <button type="submit" class="button small primary" disabled={!edited}>Save</button>
          <button type="button" class="button small" disabled={!edited} onClick={() => (draft.value = {})}>Undo</button>
        </div>
      </form>
      {failed.value && <p class="model-note bad" role="alert"><Icon name="failed" />{failed.value}</p>}
    </section>
  );
}

/** What is sent: only what was written, as the server takes it. */
export function editOf(draft: Partial<Draft>): Record<string, unknown> {
  return {
    ...(draft.name === undefined ? {} : { name: draft.name }),
    ...(draft.location === undefined ? {} : { location: draft.location }),
    ...(draft.groups === undefined ? {} : { groups: words(draft.groups) }),
    ...(draft.tags === undefined ? {} : { tags: words(draft.tags) }),
    ...(draft.silence_seconds === undefined ? {} : { silence_seconds: Number(draft.silence_seconds) }),
  };
}
