/** The models of a flow: which version answers, how busy it is, how fast, and what went wrong. */

import type { JSX } from "preact";

import { count, millis, rate } from "../state/format";
import { models } from "../state/store";
import type { ModelStatus } from "../state/types";
import { Icon, type IconName } from "../ui/icons";
import { Empty, type Figure, Figures } from "../ui/parts";

export function Models(): JSX.Element {
  if (models.value.length === 0) {
    return <Empty icon="models" title="No models">This flow calls none, or none has been asked for yet.</Empty>;
  }
  return (
    <div class="models">
      {models.value.map((model) => (
        <Card key={model.name} model={model} />
      ))}
    </div>
  );
}

const STATES: Record<string, readonly [IconName, "ok" | "warn" | "bad" | ""]> = {
  ready: ["running", "ok"],
  loading: ["starting", "warn"],
  unloaded: ["stopped", ""],
  failed: ["failed", "bad"],
  unreachable: ["unplugged", "bad"],
};

function Card({ model }: { model: ModelStatus }): JSX.Element {
  const [icon, level] = STATES[model.state] ?? ["lost", "warn"];
  return (
    <article class={`model ${level}`} aria-label={`Model ${model.name}`}>
      <header>
        <h2>{model.name}</h2>
        {model.pinned && <span class="state" title="Pinned: never unloaded"><Icon name="pin" label="pinned" /></span>}
        <span class={`state ${level}`}><Icon name={icon} />{model.state}</span>
      </header>
      <p class="model-where">
        {[model.engine, model.device, model.instances > 1 ? `${model.instances} instances` : ""].filter(Boolean).join(" · ")}
        <Versions model={model} />
      </p>
      <Queue model={model} />
      <Figures items={figures(model)} />
      {model.breaker && model.breaker !== "closed" && (
        <p class="model-note bad"><Icon name="breaker" />circuit breaker {model.breaker}</p>
      )}
      {model.last_error && <p class="model-note bad"><Icon name="failed" />{model.last_error}</p>}
      <Tensors model={model} />
    </article>
  );
}

function Versions({ model }: { model: ModelStatus }): JSX.Element | null {
  if (model.versions.length === 0) return null;
  return (
    <span class="versions" aria-label={`Version ${model.version} of ${model.versions.join(", ")}`}>
      {model.versions.slice(-5).map((version) => (
        <span key={version} class={`tag ${version === model.version ? "current" : ""}`}>v{version}</span>
      ))}
    </span>
  );
}

function Queue({ model }: { model: ModelStatus }): JSX.Element | null {
  if (model.queue_capacity === 0) return null;
  const share = Math.min(1, model.queue_depth / model.queue_capacity);
  return (
    <div class={`queue ${share > 0.8 ? "bad" : share > 0.4 ? "warn" : ""}`}>
      <span>Queue</span>
      <meter min={0} max={model.queue_capacity} value={model.queue_depth} aria-label="Requests that wait">{model.queue_depth}</meter>
      <span>{model.queue_depth}/{model.queue_capacity}</span>
    </div>
  );
}

export function figures(model: ModelStatus): Figure[] {
  const time = (value: number): string => (value > 0 ? millis(value) : "–");
  const bad = (value: number): Partial<Figure> => (value > 0 ? { level: "warn" } : {});
  return [
    { label: "Rate", value: rate(model.rate), note: "/s" },
    { label: "p50", value: time(model.p50_ms) },
    { label: "p99", value: time(model.p99_ms) },
    { label: "Compute p50", value: time(model.compute_p50_ms) },
    { label: "Requests", value: count(model.requests) },
    { label: "Errors", value: count(model.errors), ...bad(model.errors) },
    { label: "Rejected", value: count(model.rejected), ...bad(model.rejected) },
    { label: "Too late", value: count(model.late), ...bad(model.late) },
    ...(model.misfits > 0 ? [{ label: "Misfits", value: count(model.misfits), ...bad(model.misfits) }] : []),
  ];
}

function Tensors({ model }: { model: ModelStatus }): JSX.Element | null {
  if (model.inputs.length + model.outputs.length === 0) return null;
  return (
    <details class="tensors">
      <summary>Tensors</summary>
      <dl>
        <dt>in</dt>
        {model.inputs.map((each) => <dd key={each}><code>{each}</code></dd>)}
        <dt>out</dt>
        {model.outputs.map((each) => <dd key={each}><code>{each}</code></dd>)}
      </dl>
    </details>
  );
}
