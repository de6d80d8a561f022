/** Versions of the model: what each is worth, which one decides, and exchanging it. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";

import { reason, sendJson } from "../../state/api";
import { figure, percent } from "../../state/climate";
import type { LearningPage, ModelRow } from "../../state/climate-types";
import { ago, count } from "../../state/format";
import { Icon } from "../../ui/icons";

const SHOWN = 10;

export function Models({ page, changed }: { page: LearningPage; changed: () => void }): JSX.Element {
  const told = useSignal("");
  const failed = useSignal("");
  const current = page.models.find((model) => model.current);
  const change = async (path: string): Promise<void> => {
    told.value = failed.value = "";
    try {
      const now = await sendJson<{ current: string }>("POST", path);
      told.value = `${now.current} decides from the next request on.`;
      changed();
    } catch (error) {
      failed.value = reason(error);
    }
  };
  return (
    <section class="card" aria-label="Versions of the model">
      <header>
        <h3>Versions</h3>
        {page.can_change && (
          <button type="button" class="button small" disabled={!current?.parent} onClick={() => void change("api/climate/models/rollback")}>
            <Icon name="undo" />Roll back
          </button>
        )}
      </header>
      {page.models.length === 0 && <p class="muted">No decision in this time, and no version of the model is here.</p>}
      {page.models.length > 0 && (
        <div class="table-box" tabIndex={0} role="region" aria-label="Table of versions">
          <table class="listing">
            <thead>
              <tr>
                <th>Version</th>
                <th class="right" title="On overrides that it did not learn from">Error, points</th>
                <th class="right">Of its parent</th>
                <th class="right">Labels</th>
                <th class="right">Decisions</th>
                <th class="right">Mean confidence</th>
                <th>Made</th>
                <th>From</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {page.models.slice(-SHOWN).reverse().map((model) => (
                <tr key={model.version} class={model.current ? "current" : ""}>
                  <td><b>{model.version}</b>{model.current && <span class="tag ok">decides</span>}</td>
                  <td class="right">{figure(model.error, 1)}</td>
                  <td class="right">{model.parent ? figure(model.parent_error, 1) : "–"}</td>
                  <td class="right">{count(model.labels)}</td>
                  <td class="right">{count(model.decisions)}</td>
                  <td class="right">{percent(model.mean_confidence)}</td>
                  <td>{model.created === null ? "–" : ago(Math.max(0, page.time - model.created))}</td>
                  <td>{model.parent || "–"}</td>
                  <td class="right">{promotable(page, model) && <button type="button" class="button small" onClick={() => void change(`api/climate/models/${encodeURIComponent(model.version)}/promote`)}>Let decide</button>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {told.value && <p class="model-note ok" role="status"><Icon name="running" />{told.value}</p>}
      {failed.value && <p class="model-note bad" role="alert"><Icon name="failed" />{failed.value}</p>}
    </section>
  );
}

/** Versions that are on disk and do not decide now. */
export function promotable(page: LearningPage, model: ModelRow): boolean {
  return page.can_change && !model.current && model.created !== null;
}
