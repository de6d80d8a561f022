/** The log view: filter, follow, and only the rows that are on the screen. */

import { computed, signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { count } from "../state/format";
import { filterLines, LEVELS, LOG_CAPACITY, type LogFilter, NO_FILTER } from "../state/logs";
import { logs, status } from "../state/store";
import type { LogLine } from "../state/types";
import { Icon } from "../ui/icons";
import { LogDetail, LogRow } from "../ui/log-row";
import { Empty } from "../ui/parts";

const filter = signal<LogFilter>(NO_FILTER);
const shown = computed(() => filterLines(logs.value, filter.value));

export function Logs(): JSX.Element {
  const [selected, setSelected] = useState<LogLine | null>(null);
  return (
    <div class="logs">
      <FilterBar />
      {shown.value.length === 0 ? <NoLines /> : <LogList selected={selected} select={setSelected} />}
      {selected && <LogDetail line={selected} close={() => setSelected(null)} />}
    </div>
  );
}

function NoLines(): JSX.Element {
  if (logs.value.length === 0) {
    return <Empty icon="logs" title="No log line yet">Nodes write here with structlog or the standard logging module.</Empty>;
  }
  return (
    <Empty icon="search" title="Nothing matches">
      <button type="button" class="button" onClick={() => (filter.value = NO_FILTER)}>Clear the filter</button>
    </Empty>
  );
}

function FilterBar(): JSX.Element {
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== "/" || (event.target as HTMLElement).closest("input,select")) return;
      event.preventDefault();
      search.current?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const set = (change: Partial<LogFilter>): void => {
    filter.value = { ...filter.value, ...change };
  };
  const now = filter.value;
  const nodes = status.value?.nodes ?? [];
  return (
    <form class="filter" role="search" onSubmit={(event) => event.preventDefault()}>
      <label class="search">
        <Icon name="search" />
        <span class="hidden">Filter by text</span>
        <input ref={search} type="search" placeholder="Filter by text" value={now.text} onInput={(event) => set({ text: event.currentTarget.value })} />
        <kbd aria-hidden="true">/</kbd>
      </label>
      <label>
        <span class="hidden">Level</span>
        <select value={now.level} onChange={(event) => set({ level: event.currentTarget.value })}>
          <option value="debug">all levels</option>
          {LEVELS.slice(1).map((level) => (
            <option key={level} value={level}>{level === "error" ? "errors" : `${level} and up`}</option>
          ))}
        </select>
      </label>
      <label>
        <span class="hidden">Node</span>
        <select value={now.node} onChange={(event) => set({ node: event.currentTarget.value })}>
          <option value="">all nodes</option>
          {nodes.map((node) => (
            <option key={node.name} value={node.name}>{node.name}</option>
          ))}
        </select>
      </label>
      <output class="muted">
        {count(shown.value.length)} <span class="optional">of {count(logs.value.length)}{logs.value.length >= LOG_CAPACITY ? " (newest)" : ""}</span>
      </output>
    </form>
  );
}

const OVERSCAN = 12;

function LogList(props: { selected: LogLine | null; select: (line: LogLine) => void }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [follow, setFollow] = useState(true);
  const [range, setRange] = useState({ top: 0, height: 800, row: 24 });
  const lines = shown.value;
  const measure = (): void => {
    const element = box.current;
    if (!element) return;
    const row = parseFloat(getComputedStyle(element).getPropertyValue("--row")) * rootSize();
    setRange({ top: element.scrollTop, height: element.clientHeight, row });
  };
  useEffect(() => {
    const watcher = new ResizeObserver(measure);
    if (box.current) watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  const newest = lines[lines.length - 1]?.number;
  useLayoutEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [follow, newest, lines.length, range.row, range.height]);
  const onScroll = (): void => {
    const element = box.current;
    if (!element) return;
    setFollow(element.scrollHeight - element.scrollTop - element.clientHeight < range.row);
    measure();
  };
  const first = Math.max(0, Math.floor(range.top / range.row) - OVERSCAN);
  const last = Math.min(lines.length, Math.ceil((range.top + range.height) / range.row) + OVERSCAN);
  return (
    <div class="log-frame">
      <div class="log-list" ref={box} onScroll={onScroll} tabIndex={0} role="log" aria-label="Log lines" aria-live="off">
        <div class="log-space" style={{ height: `${lines.length * range.row}px` }}>
          <div class="log-window" style={{ transform: `translateY(${first * range.row}px)` }}>
            {lines.slice(first, last).map((line) => (
              <LogRow key={line.number} line={line} selected={line === props.selected} select={props.select} />
            ))}
          </div>
        </div>
      </div>
      {!follow && (
        <button type="button" class="button primary follow" onClick={() => setFollow(true)}>
          <Icon name="down" />
          Follow
        </button>
      )}
    </div>
  );
}

function rootSize(): number {
  return parseFloat(getComputedStyle(document.documentElement).fontSize);
}
