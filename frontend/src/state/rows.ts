/** The last minute of a node's amplitudes: a ring of columns, 50 ms each, and how each one changed. */

export const CAPACITY = 1600;
export const MAX_BINS = 192;
export const SLOT_SECONDS = 0.05;
/** Up to here a gap shows the row before it; a longer one is blank. */
const HOLD_SLOTS = 20;
/** How fast a subcarrier's usual level follows, per row: about four seconds. */
const FOLLOW = 1 / 80;
const CHANGE_GAIN = 4;

export type Aspect = "level" | "change";

export class Rows {
  /** Columns ever taken; grows, and tells who draws how many are new. */
  count = 0;
  /** Subcarriers of the longest row of late. */
  bins = 0;
  time = 0;
  readonly #level = new Uint8Array(CAPACITY * MAX_BINS);
  readonly #change = new Uint8Array(CAPACITY * MAX_BINS);
  readonly #usual = new Float32Array(MAX_BINS);

  clear(): void {
    this.count = this.bins = this.time = 0;
    this.#level.fill(0);
    this.#change.fill(0);
    this.#usual.fill(0);
  }

  /** Take the rows of a block, the newest of which is from `time`. */
  push(bytes: Uint8Array, columns: number, time: number): void {
    const rows = columns > 0 ? Math.floor(bytes.length / columns) : 0;
    for (let row = 0; row < rows; row += 1) {
      const at = time - (rows - 1 - row) * SLOT_SECONDS;
      this.#fill(at);
      this.#take(bytes.subarray(row * columns, Math.min((row + 1) * columns, row * columns + MAX_BINS)));
      this.time = Math.max(at, this.time);
    }
  }

  /** The values of a column, by its number; zeros where there is nothing. */
  column(number: number, aspect: Aspect): Uint8Array {
    const at = (number % CAPACITY) * MAX_BINS;
    return (aspect === "level" ? this.#level : this.#change).subarray(at, at + MAX_BINS);
  }

  /** The first column that is still held. */
  get first(): number {
    return Math.max(0, this.count - CAPACITY);
  }

  /** Lowest and highest usual value of the last `columns`, leaving out what is blank and rare. */
  range(aspect: Aspect, columns = 300): [number, number] {
    const seen = new Uint32Array(256);
    let total = 0;
    for (let number = Math.max(this.first, this.count - columns); number < this.count; number += 4) {
      const levels = this.column(number, "level");
      const values = this.column(number, aspect);
      for (let bin = 0; bin < this.bins; bin += 1) {
        if (levels[bin] === 0) continue;
        seen[values[bin] ?? 0]! += 1;
        total += 1;
      }
    }
    return total === 0 ? [0, 255] : [quantile(seen, total * 0.01), Math.max(quantile(seen, total * 0.995), 8)];
  }

  #fill(time: number): void {
    if (this.time === 0) return;
    const missing = Math.min(Math.round((time - this.time) / SLOT_SECONDS) - 1, CAPACITY);
    if (missing <= 0) return;
    const last = this.count - 1;
    for (let slot = 0; slot < missing; slot += 1) {
      const at = (this.count % CAPACITY) * MAX_BINS;
      const held = missing <= HOLD_SLOTS && last >= 0;
      for (const values of [this.#level, this.#change]) {
        if (held) values.copyWithin(at, (last % CAPACITY) * MAX_BINS, (last % CAPACITY) * MAX_BINS + MAX_BINS);
        else values.fill(0, at, at + MAX_BINS);
      }
      this.count += 1;
    }
  }

  #take(levels: Uint8Array): void {
    const at = (this.count % CAPACITY) * MAX_BINS;
    this.#level.fill(0, at, at + MAX_BINS);
    this.#change.fill(0, at, at + MAX_BINS);
    this.#level.set(levels, at);
    levels.forEach((level, bin) => {
      if (level === 0) return;
      const usual = this.#usual[bin] || level;
      this.#change[at + bin] = Math.min(255, Math.abs(level - usual) * CHANGE_GAIN);
      this.#usual[bin] = usual + (level - usual) * FOLLOW;
    });
    this.bins = Math.max(this.bins, levels.length);
    this.count += 1;
  }
}

function quantile(seen: Uint32Array, wanted: number): number {
  let passed = 0;
  for (let value = 0; value < seen.length; value += 1) {
    passed += seen[value] ?? 0;
    if (passed > wanted) return value;
  }
  return seen.length - 1;
}
