/** JSON-like values, coloured and indented; long ones are cut. */

import type { ComponentChildren, JSX } from "preact";

import { plain } from "../state/format";

const MAX_ITEMS = 60;
const INLINE_LIMIT = 48;

export function Json({ value }: { value: unknown }): JSX.Element {
  return <pre class="json">{render(value, 0)}</pre>;
}

/** What a frame carries: JSON, or a text that already describes it. */
export function Preview({ value }: { value: unknown }): JSX.Element {
  return typeof value === "string" ? <pre class="json">{value}</pre> : <Json value={value} />;
}

function render(value: unknown, depth: number): ComponentChildren {
  if (value === null || value === undefined) return <span class="json-null">null</span>;
  if (typeof value === "number") return <span class="json-number">{plain(value)}</span>;
  if (typeof value === "boolean") return <span class="json-null">{String(value)}</span>;
  if (typeof value === "string") return <span class="json-string">{JSON.stringify(value)}</span>;
  if (typeof value !== "object") return String(value);
  const list = Array.isArray(value);
  const entries = list
    ? value.map((item): [string, unknown] => ["", item])
    : Object.entries(value as Record<string, unknown>);
  const flat = entries.every(([, item]) => item === null || typeof item !== "object");
  const inline = list && flat && JSON.stringify(value).length <= INLINE_LIMIT;
  return block(entries, list ? "[]" : "{}", inline, depth);
}

function block(
  entries: [string, unknown][],
  brackets: string,
  inline: boolean,
  depth: number,
): ComponentChildren {
  if (entries.length === 0) return brackets;
  const open = inline ? "" : `\n${"  ".repeat(depth + 1)}`;
  const close = inline ? "" : `\n${"  ".repeat(depth)}`;
  const shown = entries.slice(0, MAX_ITEMS);
  return (
    <>
      {brackets[0]}
      {shown.map(([key, item], index) => (
        <>
          {open}
          {key && <span class="json-key">{key}: </span>}
          {render(item, depth + 1)}
          {index < entries.length - 1 && (inline ? ", " : ",")}
        </>
      ))}
      {entries.length > MAX_ITEMS && `${open}… ${entries.length - MAX_ITEMS} more`}
      {close}
      {brackets[1]}
    </>
  );
}
