/** Selecting something drawn, with the pointer or the keyboard. */

import { routeTo } from "../../state/route";

export interface Selectable {
  role: "button";
  tabindex: number;
  "aria-label": string;
  "aria-pressed": boolean;
  onClick: () => void;
  onKeyDown: (event: KeyboardEvent) => void;
}

/** Attributes that make an SVG group a button that opens a panel. */
export function selectable(label: string, selected: boolean, ...rest: string[]): Selectable {
  const open = (): void => {
    location.hash = selected ? routeTo("topology") : routeTo("topology", ...rest);
  };
  return {
    role: "button",
    tabindex: 0, // Attributes of SVG are case-sensitive.
    "aria-label": label,
    "aria-pressed": selected,
    onClick: open,
    onKeyDown: (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      open();
    },
  };
}

/** Cut a text that would not fit into `width` units at `unit` units per character. */
export function fit(text: string, width: number, unit: number): string {
  const room = Math.floor(width / unit);
  return text.length <= room ? text : `${text.slice(0, Math.max(1, room - 1))}…`;
}
