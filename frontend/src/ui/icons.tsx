/** Line icons on a 16 by 16 grid, drawn in the colour of the text around them. */

import type { JSX } from "preact";

const SHAPES = {
  // Roles
  producer: "M2 5.5h8.5v6H2zM10.5 7.5 14 5.5v6l-3.5-2",
  consumer: "M5 5h6v6H5zM8 2v3M8 11v3M2 8h3M11 8h3",
  fusion: "M2 3.5h3l3.5 4.5H14M2 12.5h3L8.5 8M11.5 5.5 14 8l-2.5 2.5",
  sink: "M3 4.2c0-2.2 10-2.2 10 0v7.6c0 2.2-10 2.2-10 0zM3 4.2c0 2.2 10 2.2 10 0M3 8c0 2.2 10 2.2 10 0",
  gateway: "M2 3h12v8.5H2zM5.5 14h5M8 11.5V14M2 6h12",
  // States
  running: "M3 8.5 6.5 12 13 4.5",
  starting: "M8 2a6 6 0 1 1-6 6M8 5v3.2l2 1.3",
  restarting: "M13.5 8A5.5 5.5 0 1 1 11.6 3.8M13.5 2v3.2h-3.2",
  failed: "M4 4l8 8M12 4l-8 8",
  finished: "M4 2v12M4 3h8l-2 3 2 3H4",
  stopped: "M4.5 4.5h7v7h-7z",
  lost: "M5.5 6a2.5 2.5 0 1 1 3.4 2.3C8.2 8.7 8 9 8 9.8M8 12.4v.2",
  // Actions
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
  moon: "M13.5 9.7A6 6 0 0 1 6.3 2.5a6 6 0 1 0 7.2 7.2z",
  room: "M2 8 8 2.500 14 8M4 6.500v7h8v-7M6.700 13.500V9.500h2.600v4",
  live: "M2 3.5h12v9H2zM6.8 6v4l3.4-2z",
  topology: "M2 6h4v4H2zM10 2h4v4h-4zM10 10h4v4h-4zM6 8h2M10 4H8v8h2",
  latency: "M2 4h6M5 8h7M9 12h5",
  logs: "M2 3.5h12M2 8h9M2 12.5h6",
  activity: "M1.5 8.5h3l2-5.5 3 10 2-4.5h3",
  boards: "M4 4h8v8H4zM6.5 6.5h3v3h-3zM6 4V2M10 4V2M6 14v-2M10 14v-2M4 6H2M4 10H2M14 6h-2M14 10h-2",
  sensing: "M1.800 6.300a9 9 0 0 1 12.400 0M4 8.800a5.800 5.800 0 0 1 8 0M6.200 11.200a2.600 2.600 0 0 1 3.600 0M8 13.600v.1",
  climate: "M6.500 9.300V3.500a1.500 1.500 0 0 1 3 0v5.800a3 3 0 1 1-3 0zM8 7v4M12 4h2M12 7h2",
  device: "M2.500 3h11v10h-11zM8 3v10M5.500 8v.1M10.500 8v.1",
  learning: "M2 12.500c3 0 3-9 6-9s3 5 6 5M2 14h12M5 6.500v.1M11 11.500v.1",
  health: "M8 2l5 2v4c0 3-2.200 5-5 6-2.800-1-5-3-5-6V4zM5.800 8l1.600 1.600 3.100-3.100",
  person: "M8 2.300a2.200 2.200 0 1 0 0 4.400 2.200 2.200 0 0 0 0-4.400M3.500 14v-1.500a4 4 0 0 1 9 0V14",
  away: "M6.500 2.500h-4v11h4M10 4.500 13.500 8 10 11.500M13.500 8H6",
  fall: "M3 2.500 13 12.500M13 12.500V7M13 12.500H7.500",
  heart: "M8 13.500S2 10 2 6a3 3 0 0 1 6-.8A3 3 0 0 1 14 6c0 4-6 7.500-6 7.500z",
  breath: "M1.500 8c1.600-5 3.200-5 4.900 0s3.300 5 4.900 0c.8-2.500 1.600-3.700 3.200-3.700",
  module: "M2.500 2.500h4.500v4.500H2.500zM9 9h4.500v4.500H9zM2.500 9h4.500v4.500H2.500zM11.200 2v5M8.700 4.500h5",
  upload: "M8 11V2.500M4.500 6 8 2.500 11.500 6M2.500 13.500h11",
  undo: "M6 3 2.5 6.500 6 10M2.500 6.500H10a3.500 3.500 0 0 1 0 7H7",
  models: "M8 1.8 13.6 5v6L8 14.200 2.400 11V5zM2.400 5 8 8.200 13.600 5M8 8.200v6",
  alert: "M4 11.5V7a4 4 0 0 1 8 0v4.500l1.200 1.300H2.800zM6.800 14.200h2.400",
  action: "M8.800 1.800 3.500 9h4l-.8 5.200L12.500 7h-4z",
  throttle: "M2.500 12a6 6 0 1 1 11 0M8 9.500 11 6",
  breaker: "M2 8h3.500M10.500 8H14M5.500 8l4.500-4",
  dropped: "M3 4h10M5 4v9h6V4M6.500 7l3 3.500M9.500 7l-3 3.500",
  model: "M8 1.800 13.600 5v6L8 14.200 2.400 11V5z",
  reload: "M13.5 8A5.5 5.5 0 1 1 11.600 3.800M13.5 2v3.200h-3.200",
  pin: "M6 2h4l-.6 4L12 8.500H4L6.600 6zM8 8.500V14",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3l8 5-8 5z",
  expand: "M9.5 2H14v4.5M6.5 14H2V9.5M14 2 9.5 6.5M2 14l4.5-4.5",
  collapse: "M13.5 6.5H9.5V2.5M2.5 9.5h4v4M9.5 6.5 14 2M6.5 9.5 2 14",
  download: "M8 2v8.5M4.5 7 8 10.5 11.5 7M2.5 13.5h11",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  refresh: "M13.5 8A5.5 5.5 0 1 1 11.6 3.8M13.5 2v3.2h-3.2",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3 14 14",
  warning: "M8 2.2 14.5 13.5h-13zM8 6.5v3.4M8 11.6v.2",
  down: "M8 3v10M4 9l4 4 4-4",
  chevron: "M6 3.5 10.5 8 6 12.5",
  lock: "M4 7h8v6.5H4zM5.5 7V5a2.5 2.5 0 0 1 5 0v2",
  unplugged: "M2 14l3-3M5 8.5l2.5 2.5M4.2 9.3l2.5 2.5 1.6-1.6-4-4L2.7 7.8zM14 2l-3 3M8.3 5.8l1.5-1.5 4 4-1.5 1.5z",
  drop: "M8 2.5S12.5 7 12.5 10a4.5 4.5 0 0 1-9 0C3.5 7 8 2.5 8 2.5z",
  book: "M3 3h4.2c.5 0 .8.3.8.8v9.7c0-.6-.4-1-1-1H3zM13 3H8.800c-.5 0-.8.3-.8.8v9.7c0-.6.4-1 1-1h4z",
} as const;

export type IconName = keyof typeof SHAPES;

export function isIcon(name: string): name is IconName {
  return name in SHAPES;
}

/** The outline of an icon, for use inside another SVG. */
export function iconPath(name: IconName): string {
  return SHAPES[name];
}

export function Icon({ name, label }: { name: IconName; label?: string }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" role={label ? "img" : undefined} aria-label={label} aria-hidden={label ? undefined : "true"}>
      <path d={SHAPES[name]} />
    </svg>
  );
}

/** A state with its icon and its word, never by colour alone. */
export function stateIcon(state: string): IconName {
  return isIcon(state) ? state : "lost";
}
