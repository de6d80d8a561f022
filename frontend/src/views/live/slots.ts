/**
 * A browser opens six connections to a server at most, and each moving picture holds one. The
 * first tiles in view get one; the others fetch single pictures in turn, so that the page itself
 * can always reach the server.
 */

export const VIDEO_SLOTS = 4;

export class Slots {
  readonly #free: number;
  readonly #holders = new Set<object>();

  constructor(count = VIDEO_SLOTS) {
    this.#free = count;
  }

  /** Take a slot for `holder`; false when all are taken. */
  take(holder: object): boolean {
    if (this.#holders.has(holder)) return true;
    if (this.#holders.size >= this.#free) return false;
    this.#holders.add(holder);
    return true;
  }

  release(holder: object): void {
    this.#holders.delete(holder);
  }
}

export const slots = new Slots();
