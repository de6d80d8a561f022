/** One log line: as a row, and with all its fields. */

import type { JSX } from "preact";

import { clock, fieldsText } from "../state/format";
import type { LogLine } from "../state/types";
import { Json } from "./json";
import { memo } from "./memo";
import { IconButton } from "./parts";

interface RowProps {
  line: LogLine;
  selected: boolean;
  select: (line: LogLine) => void;
}

export const LogRow = memo<RowProps>(function LogRow({ line, selected, select }) {
  return (
    <button type="button" class={`log-row ${line.level}`} aria-pressed={selected} onClick={() => select(line)}>
      <time>{clock(line.time, true)}</time>
      <span class="log-level">{shortLevel(line.level)}</span>
      <span class="log-node">{line.node}</span>
      <span class="log-text">
        <b>{line.event}</b> {fieldsText(line.fields)}
      </span>
    </button>
  );
});

function shortLevel(level: string): string {
  return level === "warning" ? "warn" : level;
}

export function LogDetail({ line, close }: { line: LogLine; close: () => void }): JSX.Element {
  return (
    <section class="log-detail" aria-label="Log line">
      <header>
        <span class={`log-level ${line.level}`}>{line.level}</span>
        <h2>{line.event}</h2>
        <span class="muted">{line.node} · {clock(line.time, true)}</span>
        <IconButton icon="close" label="Close" onClick={close} />
      </header>
      <Json value={line.fields} />
    </section>
  );
}
