/** How many columns of tiles make the pictures largest without the page having to scroll. */

export interface Area {
  width: number;
  height: number;
  /** Size of the page's text in pixels. */
  rem: number;
}

export interface Grid {
  columns: number;
  /** Width of a tile in pixels; null to share the whole width. */
  width: number | null;
}

const GAP_REM = 1.125;
const FOOT_REM = 2.6;
/** Tiles are not made smaller than this to fit all; the page scrolls in place of that. */
const LEAST_REM = 20;

/** Another row must make the pictures this much larger. */
const WORTH = 1.15;

export function gridFor(count: number, aspect: number, area: Area): Grid {
  const gap = GAP_REM * area.rem;
  const widthIn = (columns: number): number => (area.width - gap * (columns - 1)) / columns;
  let best: Grid & { width: number } = { columns: 1, width: 0 };
  for (let columns = count; columns >= 1; columns -= 1) {
    const rows = Math.ceil(count / columns);
    const height = (area.height - gap * (rows - 1)) / rows - FOOT_REM * area.rem;
    const width = Math.floor(Math.min(widthIn(columns), height * aspect));
    if (width > best.width * WORTH) best = { columns, width };
  }
  if (best.width >= LEAST_REM * area.rem) return best;
  const columns = Math.floor((area.width + gap) / (LEAST_REM * area.rem + gap));
  return { columns: Math.max(1, Math.min(columns, count)), width: null };
}
