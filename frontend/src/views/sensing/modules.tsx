/** Sensing modules: what runs, what it costs, what it says; upload, start, stop, remove. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { getJson, reason, send } from "../../state/api";
import { bytes, clock, count } from "../../state/format";
import type { ModuleList, SensingModule } from "../../state/sensing-types";
import { Icon } from "../../ui/icons";

const PATH = "api/csi/modules";
const REFRESH_MS = 2000;
const MAX_BYTES = 1 << 20;

export function Modules({ name }: { name: string }): JSX.Element | null {
  const list = useSignal<ModuleList | null>(null);
  const refusal = useSignal("");
  const refresh = async (): Promise<void> => {
    list.value = await getJson<ModuleList>(PATH);
  };
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let over = false;
    const again = async (): Promise<void> => {
      await refresh().catch(() => undefined); // the next one may be answered
      if (!over && list.value?.max !== 0) timer = setTimeout(() => void again(), REFRESH_MS);
    };
    void again();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, []);
  if (list.value === null || list.value.max === 0) return null;
  const act = async (method: "POST" | "DELETE", path: string, body: Blob | null = null): Promise<void> => {
    refusal.value = "";
    try {
      await send(method, path, body);
      await refresh();
    } catch (error) {
      refusal.value = reason(error);
    }
  };
  const own = list.value.modules.filter((module) => module.node === "*" || module.node === name);
  return (
    <section class="card csi-modules" aria-label="Modules">
      <header><h3>Modules</h3><span class="tag">{list.value.loaded}/{list.value.max}</span></header>
      {own.length === 0 && <p class="muted">No module watches this node. Upload a signed module (.rvf) to add one.</p>}
      <ul>
        {own.map((module) => <ModuleLine key={`${module.id} ${module.node}`} module={module} act={act} />)}
      </ul>
      <Upload give={(file) => void act("POST", `${PATH}?node=${encodeURIComponent(name)}`, file)} refuse={(text) => (refusal.value = text)} />
      {refusal.value && <p class="model-note bad" role="alert"><Icon name="failed" />{refusal.value}</p>}
    </section>
  );
}

type Act = (method: "POST" | "DELETE", path: string) => Promise<void>;

function ModuleLine({ module, act }: { module: SensingModule; act: Act }): JSX.Element {
  const path = `${PATH}/${module.id}`;
  const runs = module.state === "running";
  return (
    <li>
      <div class="csi-module-head">
        <b>{module.name}</b>
        <span class={`tag ${runs ? "ok" : "warn"}`}>{module.state}</span>
        <button type="button" class="button small" onClick={() => void act("POST", `${path}/${runs ? "stop" : "start"}`)}>{runs ? "Stop" : "Start"}</button>
        <button type="button" class="icon-button" aria-label={`Remove ${module.name}`} title="Remove" onClick={() => void act("DELETE", path)}><Icon name="close" /></button>
      </div>
      <small>
        {bytes(module.binary_size ?? 0)} · {count(module.frame_count)} frames · {Math.round(module.mean_us)} µs, at most {count(module.max_us)} of {count(module.budget_us ?? 0)} µs
        {module.error_count > 0 && ` · ${count(module.error_count)} errors`}
        {(module.budget_faults ?? 0) > 0 && ` · ${count(module.budget_faults ?? 0)} too slow`}
      </small>
      {module.events.length > 0 && (
        <ol>
          {module.events.slice(-4).reverse().map((event) => (
            <li key={`${event.time} ${event.id}`}><time>{clock(event.time)}</time> {event.name || `event ${event.id}`} <b>{+event.value.toPrecision(4)}</b></li>
          ))}
        </ol>
      )}
    </li>
  );
}

function Upload({ give, refuse }: { give: (file: File) => void; refuse: (text: string) => void }): JSX.Element {
  const over = useSignal(false);
  const chooser = useRef<HTMLInputElement>(null);
  const take = (file: File | undefined): void => {
    over.value = false;
    if (file && file.size > MAX_BYTES) refuse(`${file.name} has ${bytes(file.size)}; a module has at most ${bytes(MAX_BYTES)}`);
    else if (file) give(file);
  };
  return (
    <div
      class={`drop ${over.value ? "over" : ""}`}
      onDragOver={(event) => { event.preventDefault(); over.value = true; }}
      onDragLeave={() => { over.value = false; }}
      onDrop={(event) => { event.preventDefault(); take(event.dataTransfer?.files[0]); }}
    >
      <p class="drop-call"><Icon name="down" />Drop a module here, or <button type="button" class="link" onClick={() => chooser.current?.click()}>choose one</button></p>
      <input ref={chooser} type="file" hidden aria-label="Module to upload" onChange={(event) => { take(event.currentTarget.files?.[0]); event.currentTarget.value = ""; }} />
    </div>
  );
}
