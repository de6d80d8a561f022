/** The binary messages of `/ws/csi/live`: rows of amplitudes, phases and previews, block after block. */

export const AMPLITUDES = 1;
export const PHASES = 2;
export const PREVIEW = 3;
const HEADER = 16;

export interface Block {
  kind: number;
  node: string;
  columns: number;
  rows: number;
  /** Rows that this page was too slow for. */
  missed: number;
  /** Unix seconds of the newest row. */
  time: number;
  /** A byte per value; of phases two. */
  bytes: Uint8Array;
}

/** The blocks of a message; one that is cut off ends the list. */
export function blocksOf(message: ArrayBuffer): Block[] {
  const view = new DataView(message);
  const found: Block[] = [];
  let at = 0;
  while (at + HEADER <= message.byteLength) {
    const kind = view.getUint8(at);
    const length = view.getUint8(at + 1);
    const columns = view.getUint16(at + 2, true);
    const rows = view.getUint16(at + 4, true);
    const begin = at + HEADER + length;
    const end = begin + columns * rows * (kind === PHASES ? 2 : 1);
    if (end > message.byteLength) break;
    found.push({
      kind,
      node: new TextDecoder().decode(new Uint8Array(message, at + HEADER, length)),
      columns,
      rows,
      missed: view.getUint16(at + 6, true),
      time: view.getFloat64(at + 8, true),
      bytes: new Uint8Array(message, begin, end - begin),
    });
    at = end;
  }
  return found;
}

/** Phases in rad. */
export function phasesOf(block: Block): Float32Array {
  const view = new DataView(block.bytes.buffer, block.bytes.byteOffset, block.bytes.byteLength);
  return Float32Array.from({ length: block.columns }, (_, index) => view.getInt16(2 * index, true) / 1000);
}
