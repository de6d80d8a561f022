/** Small building blocks that several views share. */

import type { ComponentChildren, JSX } from "preact";

import { stateLevel } from "../state/health";
import { Icon, type IconName, stateIcon } from "./icons";

export function State({ state }: { state: string }): JSX.Element {
  return (
    <span class={`state ${stateLevel(state)}`}>
      <Icon name={stateIcon(state)} />
      {state}
    </span>
  );
}

export function Empty(props: {
  icon: IconName;
  title: string;
  children?: ComponentChildren;
}): JSX.Element {
  return (
    <div class="empty">
      <Icon name={props.icon} />
      <h2>{props.title}</h2>
      {props.children && <p>{props.children}</p>}
    </div>
  );
}

export interface Figure {
  label: string;
  value: string;
  note?: string;
  level?: "ok" | "warn" | "bad";
}

/** Labelled figures in a grid. */
export function Figures({ items }: { items: readonly Figure[] }): JSX.Element {
  return (
    <dl class="figures">
      {items.map((item) => (
        <div key={item.label} class={item.level}>
          <dt>{item.label}</dt>
          <dd>
            {item.value}
            {item.note && <small>{item.note}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

export function IconButton(props: {
  icon: IconName;
  label: string;
  pressed?: boolean;
  onClick: () => void;
}): JSX.Element {
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={props.label}
      title={props.label}
      aria-pressed={props.pressed}
      onClick={props.onClick}
    >
      <Icon name={props.icon} />
    </button>
  );
}

/** `camera → detector`. */
export function Arrow({ from, to }: { from: string; to: string }): JSX.Element {
  return (
    <>
      {from} <span class="faint" aria-label="to">→</span> {to}
    </>
  );
}
