/** Amplitudes by subcarrier as they come: time runs to the left, a column is 50 ms. */

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { type Aspect, CAPACITY, SLOT_SECONDS } from "../../state/rows";
import { rows } from "../../state/sensing";
import { theme } from "../../state/theme";
import { useVisible } from "../../ui/visible";
import { gradient, scaleOf } from "./colours";
import { Painter } from "./painter";

const ASPECTS: readonly (readonly [Aspect, string, string])[] = [
  ["level", "Amplitude", "How strong each subcarrier is, relative to its frame"],
  ["change", "Change", "How far each subcarrier is from its level of the last seconds: people move it"],
];
const TICK_SECONDS = 10;
const aspect = signal<Aspect>("level");

export function Waterfall({ name }: { name: string }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  usePainting(canvas, setWidth, name);
  return (
    <section class="card waterfall-card" aria-label="Subcarrier waterfall">
      <header>
        <h3>Subcarriers over time</h3>
        <div class="choices" role="group" aria-label="What is shown">
          {ASPECTS.map(([each, title, about]) => (
            <button key={each} type="button" class="button small" title={about} aria-pressed={aspect.value === each} onClick={() => (aspect.value = each)}>
              {title}
            </button>
          ))}
        </div>
        <span class="legend" aria-hidden="true">low<i style={{ background: gradient(theme.value) }} />high</span>
      </header>
      <div class="waterfall-stage">
        <canvas ref={canvas} class="csi-waterfall" role="img" aria-label={`Waterfall of ${name}: subcarriers over time, newest at the right`} />
      </div>
      <ol class="ticks" aria-hidden="true">
        {ticks(width).map(([at, text]) => <li key={text} style={{ right: `${at}px` }}>{text}</li>)}
      </ol>
    </section>
  );
}

/** Places from the right, in pixels, and their labels. */
export function ticks(width: number): [number, string][] {
  const step = TICK_SECONDS / SLOT_SECONDS;
  const count = Math.floor(Math.min(width, CAPACITY) / step);
  return Array.from({ length: count }, (_, index) => [(index + 1) * step, `−${(index + 1) * TICK_SECONDS} s`]);
}

function usePainting(ref: { current: HTMLCanvasElement | null }, tell: (width: number) => void, name: string): void {
  const visible = useVisible(ref);
  const [shade, shown] = [theme.value, aspect.value];
  useEffect(() => {
    const context = ref.current?.getContext("2d");
    const canvas = ref.current;
    if (!visible || !canvas || !context) return undefined;
    const painter = new Painter(context, rows, shown, scaleOf(shade));
    let request = 0;
    let known = 0;
    const paint = (): void => {
      request = requestAnimationFrame(paint);
      const width = Math.min(canvas.parentElement?.clientWidth ?? 0, CAPACITY);
      if (width === 0) return;
      if (width !== known) tell((known = width));
      if (painter.paint(width) > 0) canvas.dataset["columns"] = String(rows.count);
    };
    paint();
    return () => cancelAnimationFrame(request);
  }, [visible, shade, shown, name]);
}
