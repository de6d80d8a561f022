/** The panel beside the graph; a sheet from below on phones. Escape closes it. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { IconButton } from "../../ui/parts";

export function Panel(props: {
  title: ComponentChildren;
  label: string;
  sub: ComponentChildren;
  close: () => void;
  children: ComponentChildren;
}): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  const close = props.close;
  useEffect(() => {
    const before = document.activeElement;
    heading.current?.focus({ preventScroll: true });
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "Escape") close();
    };
    addEventListener("keydown", onKey);
    return () => {
      removeEventListener("keydown", onKey);
      if (before instanceof HTMLElement || before instanceof SVGElement) before.focus({ preventScroll: true });
    };
  }, [close]);
  return (
    <aside class="panel" aria-label={props.label}>
      <header class="panel-head">
        <div>
          <h2 tabIndex={-1} ref={heading}>{props.title}</h2>
          <p class="muted">{props.sub}</p>
        </div>
        <IconButton icon="close" label="Close panel" onClick={close} />
      </header>
      <div class="panel-body">{props.children}</div>
    </aside>
  );
}
