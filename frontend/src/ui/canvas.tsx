/** A canvas that is drawn when something changed, once per painted frame, and only while it is seen. */

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { theme } from "../state/theme";
import { useVisible } from "./visible";

export interface Surface {
  context: CanvasRenderingContext2D;
  /** In CSS pixels; the context is scaled to the screen's own. */
  width: number;
  height: number;
  /** A colour of the theme: `colour("--accent")`. */
  colour: (name: string) => string;
}

interface Props {
  label: string;
  height: number;
  /** Another value means that there is something new to draw. */
  version: () => number | string;
  draw: (surface: Surface) => void;
}

export function Canvas({ label, height, version, draw }: Props): JSX.Element {
  const element = useRef<HTMLCanvasElement>(null);
  const visible = useVisible(element);
  const latest = useRef({ version, draw });
  latest.current = { version, draw };
  const shade = theme.value;
  useEffect(() => {
    const canvas = element.current;
    const context = canvas?.getContext("2d");
    if (!visible || !canvas || !context) return undefined;
    const style = getComputedStyle(canvas);
    const colours = new Map<string, string>();
    const colour = (name: string): string => {
      const known = colours.get(name) ?? style.getPropertyValue(name).trim();
      colours.set(name, known);
      return known;
    };
    let drawn = "";
    let request = 0;
    const paint = (): void => {
      request = requestAnimationFrame(paint);
      const width = canvas.clientWidth;
      const ratio = devicePixelRatio;
      const wanted = `${latest.current.version()} ${width} ${ratio}`;
      if (wanted === drawn || width === 0) return;
      drawn = wanted;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      context.scale(ratio, ratio);
      latest.current.draw({ context, width, height, colour });
    };
    paint();
    return () => cancelAnimationFrame(request);
  }, [visible, shade, height]);
  return <canvas ref={element} class="drawn" style={{ height: `${height}px` }} role="img" aria-label={label} />;
}
