/** Learning the empty room: begin, watch, stop, save it to a file and load it again. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";

import { getJson, reason, sendJson } from "../../state/api";
import { count } from "../../state/format";
import { glance } from "../../state/sensing";
import type { CalibrationStatus, Room } from "../../state/sensing-types";
import { Icon } from "../../ui/icons";
import { Figures } from "../../ui/parts";

const MAX_FILE = 4096;

export function Calibration({ name }: { name: string }): JSX.Element {
  const refusal = useSignal("");
  const busy = useSignal(false);
  const now = glance.value?.calibration ?? null;
  const path = `api/csi/nodes/${encodeURIComponent(name)}/calibration`;
  const ask = async (method: "POST" | "DELETE" | "PUT", room?: unknown): Promise<void> => {
    busy.value = true;
    refusal.value = "";
    try {
      await sendJson(method, path, room);
    } catch (error) {
      refusal.value = reason(error);
    } finally {
      busy.value = false;
    }
  };
  const load = async (file: File): Promise<void> => {
    const room = file.size > MAX_FILE ? null : parsed(await file.text());
    if (room === null) refusal.value = `${file.name} is no calibration`;
    else await ask("PUT", room);
  };
  return (
    <section class="card" aria-label="Calibration">
      <header><h3>Calibration</h3>{now && <span class={`tag ${now.state === "learning" ? "warn" : ""}`}>{WORDS[now.state]}</span>}</header>
      {now && <Body now={now} />}
      <div class="actions">
        {now?.asked ? (
          <button type="button" class="button small" disabled={busy.value} onClick={() => void ask("DELETE")}><Icon name="stopped" />Stop</button>
        ) : (
          <button type="button" class="button small primary" disabled={busy.value || !now || now.state === "remote"} onClick={() => void ask("POST")}><Icon name="starting" />Learn room</button>
        )}
        <button type="button" class="button small" disabled={!now?.room} onClick={() => void save(path, name, refusal)}><Icon name="download" />Save</button>
        <Chooser disabled={!now || now.state === "remote"} chosen={(file) => void load(file)} />
      </div>
      {refusal.value && <p class="model-note bad" role="alert"><Icon name="failed" />{refusal.value}</p>}
    </section>
  );
}

const WORDS: Record<CalibrationStatus["state"], string> = { known: "known", learning: "learning", remote: "on the node" };

function Body({ now }: { now: CalibrationStatus }): JSX.Element {
  if (now.state === "remote") return <p class="muted">This node senses itself and sends no frames, so nothing is learnt here.</p>;
  if (now.state === "learning") {
    const percent = Math.min(99, Math.floor((100 * now.frames) / now.wanted));
    return (
      <div class="swap" role="status">
        <span>{now.asked ? "Leave the room" : "First frames"}</span>
        <progress max={now.wanted} value={now.frames} aria-label="Progress of the calibration" />
        <span>{percent} %</span>
      </div>
    );
  }
  const room = now.room;
  return (
    <>
      {room && (
        <Figures items={[
          { label: "Threshold", value: room.threshold.toFixed(3) },
          { label: "Mean", value: room.mean.toFixed(4) },
          { label: "Deviation", value: room.deviation.toFixed(4) },
        ]} />
      )}
      <p class="muted">The empty room{room ? `, learnt from ${count(room.frames)} frames` : ""}. {now.kept && "A restart keeps it."}</p>
    </>
  );
}

function Chooser({ disabled, chosen }: { disabled: boolean; chosen: (file: File) => void }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class="button small" disabled={disabled} onClick={() => input.current?.click()}><Icon name="upload" />Load</button>
      <input
        ref={input}
        type="file"
        accept=".json,application/json"
        hidden
        aria-label="File of a calibration"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = "";
          if (file) chosen(file);
        }}
      />
    </>
  );
}

async function save(path: string, name: string, refusal: { value: string }): Promise<void> {
  try {
    const { room } = await getJson<CalibrationStatus>(path);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${JSON.stringify(room, null, 2)}\n`], { type: "application/json" }));
    link.download = `room-${name.replace(/[^\w.-]+/g, "-")}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  } catch (error) {
    refusal.value = reason(error);
  }
}

/** A room from the text of a file; null when it is none. The server checks the figures. */
export function parsed(text: string): Room | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && "threshold" in value ? (value as Room) : null;
  } catch {
    return null;
  }
}
