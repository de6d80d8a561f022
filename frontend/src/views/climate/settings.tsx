/** The settings of a device: what it was told, what it says it has, and how that stands. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";

import { reason, sendJson } from "../../state/api";
import { settingOf } from "../../state/climate";
import type { Configuration } from "../../state/climate-types";
import { ago } from "../../state/format";
import { Icon, type IconName } from "../../ui/icons";

const STATES: Record<string, readonly [IconName, "ok" | "warn" | "bad" | "", string]> = {
  none: ["stopped", "", "nothing was set from here"],
  pending: ["starting", "warn", "sent, no answer yet"],
  applied: ["running", "ok", "applied"],
  refused: ["failed", "bad", "refused"],
};

export function Settings({ device, configuration, changed }: { device: string; configuration: Configuration; changed: () => void }): JSX.Element {
  const draft = useSignal<Record<string, string>>({});
  const added = useSignal({ name: "", value: "" });
  const failed = useSignal("");
  const path = `api/climate/devices/${encodeURIComponent(device)}/configuration`;
  const push = async (settings: Record<string, unknown>): Promise<void> => {
    failed.value = "";
    try {
      await sendJson<Configuration>("PATCH", path, settings);
      draft.value = {};
      added.value = { name: "", value: "" };
      changed();
    } catch (error) {
      failed.value = reason(error);
    }
  };
  const apply = (event: Event): void => {
    event.preventDefault();
    void push(settingsOf(draft.value, added.value));
  };
  const wanted = settingsOf(draft.value, added.value);
  return (
    <section class="card" aria-label="Settings of the device">
      <header><h3>Settings</h3><Standing configuration={configuration} /></header>
      {configuration.reason && configuration.state === "refused" && <p class="model-note bad"><Icon name="failed" />{configuration.reason}</p>}
      <form class="settings" onSubmit={apply}>
        {namesOf(configuration).map((name) => (
          <label key={name} title={name in configuration.desired ? "Set from here" : "As the device says"}>
            <span>{name.replaceAll("_", " ")}{name in configuration.desired && <i class="told" />}</span>
            <input
              type="text"
              value={draft.value[name] ?? String(configuration.desired[name] ?? configuration.reported[name] ?? "")}
              onInput={(event) => (draft.value = { ...draft.value, [name]: event.currentTarget.value })}
            />
          </label>
        ))}
        <div class="added">
          <input type="text" aria-label="Name of another setting" placeholder="another setting" value={added.value.name} onInput={(event) => (added.value = { ...added.value, name: event.currentTarget.value })} />
          <input type="text" aria-label="Its value" placeholder="value" value={added.value.value} onInput={(event) => (added.value = { ...added.value, value: event.currentTarget.value })} />
        </div>
        <div class="actions">
          <button type="submit" class="button small primary" disabled={Object.keys(wanted).length === 0}>Send</button>
          <button type="button" class="button small" disabled={Object.keys(configuration.desired).length === 0} onClick={() => void push(Object.fromEntries(Object.keys(configuration.desired).map((name) => [name, null])))}>Take all back</button>
        </div>
      </form>
      {failed.value && <p class="model-note bad" role="alert"><Icon name="failed" />{failed.value}</p>}
    </section>
  );
}

function Standing({ configuration }: { configuration: Configuration }): JSX.Element {
  const [icon, level, text] = STATES[configuration.state] ?? (["lost", "warn", configuration.state] as const);
  const since = configuration.state === "pending" ? configuration.asked : configuration.answered;
  return (
    <span class={`state ${level}`} title={since > 0 ? ago(Math.max(0, Date.now() / 1000 - since)) : undefined}>
      <Icon name={icon} />{text}
    </span>
  );
}

/** Names of what was told or is reported, in order. */
export function namesOf(configuration: Configuration): string[] {
  return [...new Set([...Object.keys(configuration.reported), ...Object.keys(configuration.desired)])].sort();
}

/** What is sent: what was written, and the setting that was added, if it has a name and a value. */
export function settingsOf(draft: Record<string, string>, added: { name: string; value: string }): Record<string, unknown> {
  const all = { ...draft, ...(added.name.trim() && added.value.trim() ? { [added.name.trim().replaceAll(" ", "_")]: added.value } : {}) };
  return Object.fromEntries(Object.entries(all).map(([name, text]) => [name, text.trim() === "" ? null : settingOf(text)]));
}
