/** The last minutes of each node's figures, for the charts. */

/** A bounded series of samples: one array of times, one per figure, as uPlot wants them. */
export class Series {
  readonly capacity: number;
  readonly times: number[] = [];
  readonly values: number[][];

  constructor(figures: number, capacity = 360) {
    this.capacity = capacity;
    this.values = Array.from({ length: figures }, () => []);
  }

  push(time: number, ...figures: number[]): void {
    const last = this.times[this.times.length - 1];
    if (last !== undefined && time <= last) return;
    this.times.push(time);
    this.values.forEach((list, index) => list.push(figures[index] ?? 0));
    if (this.times.length > this.capacity) {
      this.times.shift();
      for (const list of this.values) list.shift();
    }
  }
}

/** Series by name; names that are gone are forgotten. */
export class History {
  readonly #series = new Map<string, Series>();
  readonly #figures: number;

  constructor(figures: number) {
    this.#figures = figures;
  }

  of(name: string): Series {
    let series = this.#series.get(name);
    if (!series) {
      series = new Series(this.#figures);
      this.#series.set(name, series);
    }
    return series;
  }

  keepOnly(names: Iterable<string>): void {
    const keep = new Set(names);
    for (const name of this.#series.keys()) if (!keep.has(name)) this.#series.delete(name);
  }

  clear(): void {
    this.#series.clear();
  }
}
