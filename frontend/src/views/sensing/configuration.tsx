/** How the host senses from a node's frames; changes count at once and are kept. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";

import { getJson, reason, sendJson } from "../../state/api";
import type { NodeSettings } from "../../state/sensing-types";
import { Icon } from "../../ui/icons";

interface Field {
  key: keyof NodeSettings;
  label: string;
  about: string;
  least: number;
  most: number;
  step: number | "any";
}

const FIELDS: readonly Field[] = [
  { key: "presence_threshold", label: "Presence threshold", about: "Of the motion score; 0 takes that of the calibration", least: 0, most: 100, step: "any" },
  { key: "presence_sigma", label: "Sigma", about: "Deviations above the mean of the empty room, where the calibration puts the threshold", least: 0.5, most: 20, step: "any" },
  { key: "fall_threshold", label: "Fall threshold", about: "In rad/s²", least: 0.1, most: 100, step: "any" },
  { key: "top_subcarriers", label: "Subcarriers (K)", about: "So many of the best are used for rates", least: 1, most: 32, step: 1 },
  { key: "calibration_frames", label: "Calibration frames", about: "Frames that the empty room is learnt from", least: 100, most: 65535, step: 1 },
];

export function Configuration({ name, remote }: { name: string; remote: boolean }): JSX.Element {
  const known = useSignal<NodeSettings | null>(null);
  const wanted = useSignal<Partial<NodeSettings>>({});
  const told = useSignal("");
  const path = `api/csi/nodes/${encodeURIComponent(name)}/configuration`;
  useEffect(() => {
    known.value = null;
    wanted.value = {};
    told.value = "";
    let current = true;
    void getJson<NodeSettings>(path).then((settings) => { if (current) known.value = settings; }).catch((error: unknown) => { if (current) told.value = reason(error); });
    return () => { current = false; };
  }, [path]);
  const apply = async (event: Event): Promise<void> => {
    event.preventDefault();
    told.value = "";
    try {
      known.value = await sendJson<NodeSettings>("PATCH", path, wanted.value);
      wanted.value = {};
    } catch (error) {
      told.value = reason(error);
    }
  };
  const settings = known.value && { ...known.value, ...wanted.value };
  const changed = Object.keys(wanted.value).length > 0;
  return (
    <section class="card" aria-label="Configuration">
      <header><h3>Configuration</h3><span class="tag">sensed by the host</span></header>
      {remote && <p class="muted">This node senses itself. What is set here counts once it sends frames; its own settings are provisioned.</p>}
      {settings && (
        <form class="settings" onSubmit={(event) => void apply(event)}>
          <label title="1 senses motion and presence, 2 rates, too">
            <span>Tier</span>
            <select value={settings.tier} onChange={(event) => (wanted.value = { ...wanted.value, tier: Number(event.currentTarget.value) })}>
              <option value={1}>1 · motion, presence</option>
              <option value={2}>2 · rates, too</option>
            </select>
          </label>
          {FIELDS.map((field) => (
            <label key={field.key} title={field.about}>
              <span>{field.label}</span>
              <input
                type="number"
                required
                min={field.least}
                max={field.most}
                step={field.step}
                value={settings[field.key]}
                onInput={(event) => {
                  const value = event.currentTarget.valueAsNumber;
                  if (Number.isFinite(value)) wanted.value = { ...wanted.value, [field.key]: value };
                }}
              />
            </label>
          ))}
          <div class="actions">
            <button type="submit" class="button small primary" disabled={!changed}>Apply</button>
            <button type="button" class="button small" disabled={!changed} onClick={() => (wanted.value = {})}>Undo</button>
          </div>
        </form>
      )}
      {told.value && <p class="model-note bad" role="alert"><Icon name="failed" />{told.value}</p>}
    </section>
  );
}
