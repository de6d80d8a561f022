/** Paints columns of amplitudes into a canvas: new ones at the right, the rest moves to the left. */

import { type Aspect, type Rows } from "../../state/rows";

/** How far the range may be off before everything is painted anew. */
const TOLERANCE = 0.12;
const LOOK_COLUMNS = 20;

export class Painter {
  readonly #context: CanvasRenderingContext2D;
  readonly #colours: Uint32Array;
  readonly #rows: Rows;
  readonly #aspect: Aspect;
  #painted = -1;
  #looked = 0;
  #low = 0;
  #high = 255;

  constructor(context: CanvasRenderingContext2D, rows: Rows, aspect: Aspect, colours: Uint32Array) {
    this.#context = context;
    this.#rows = rows;
    this.#aspect = aspect;
    this.#colours = colours;
  }

  /** Paint what is new; `width` columns fit. Returns how many were painted. */
  paint(width: number): number {
    const rows = this.#rows;
    const canvas = this.#context.canvas;
    const bins = Math.max(rows.bins, 1);
    let anew = this.#painted < 0 || rows.count < this.#painted;
    if (canvas.width !== width || canvas.height !== bins) {
      canvas.width = width;
      canvas.height = bins;
      canvas.style.width = `${width}px`;
      anew = true;
    }
    if (anew || rows.count - this.#looked >= LOOK_COLUMNS) anew = this.#look() || anew;
    const fresh = anew ? width : Math.min(rows.count - this.#painted, width);
    if (fresh === 0) return 0;
    if (fresh < width) this.#context.drawImage(canvas, fresh, 0, width - fresh, bins, 0, 0, width - fresh, bins);
    this.#context.putImageData(this.#columns(fresh, bins), width - fresh, 0);
    this.#painted = rows.count;
    return fresh;
  }

  /** Look at the range; true when it changed so much that all should be painted anew. */
  #look(): boolean {
    this.#looked = this.#rows.count;
    const [low, high] = this.#rows.range(this.#aspect);
    const span = this.#high - this.#low;
    const off = Math.max(Math.abs(low - this.#low), Math.abs(high - this.#high));
    if (off <= span * TOLERANCE) return false;
    this.#low = this.#aspect === "change" ? 0 : low;
    this.#high = Math.max(high, this.#low + 1);
    return true;
  }

  #columns(count: number, bins: number): ImageData {
    const image = new ImageData(count, bins);
    const pixels = new Uint32Array(image.data.buffer);
    const rows = this.#rows;
    const gain = 255 / (this.#high - this.#low);
    for (let column = 0; column < count; column += 1) {
      const number = rows.count - count + column;
      if (number < rows.first) continue;
      const values = rows.column(number, this.#aspect);
      const levels = rows.column(number, "level");
      for (let bin = 0; bin < bins; bin += 1) {
        if (levels[bin] === 0) continue; // a null bin, or no frame: the background
        const place = Math.min(255, Math.max(0, Math.round(((values[bin] ?? 0) - this.#low) * gain)));
        pixels[(bins - 1 - bin) * count + column] = this.#colours[place] ?? 0;
      }
    }
    return image;
  }
}
