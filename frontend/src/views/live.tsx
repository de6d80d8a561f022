/** The live view: a tile per stream. */

import type { JSX, RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { routeTo } from "../state/route";
import { streamKeys, streams } from "../state/store";
import { Empty } from "../ui/parts";
import { type Area, type Grid, gridFor } from "./live/grid";
import { DataTile } from "./live/data-tile";
import { VideoTile } from "./live/video-tile";

export function Live(): JSX.Element {
  // The list changes only when a stream comes or goes; each tile follows its own figures.
  void streamKeys.value;
  const now = streams.peek();
  const data = now.filter((stream) => stream.kind === "data");
  const video = now.filter((stream) => stream.kind !== "data");
  const box = useRef<HTMLDivElement>(null);
  const area = useArea(box);
  if (now.length === 0) {
    return (
      <Empty icon="live" title="No stream yet">
        Link a node to the gateway, <code>app.link("camera").to("gateway")</code>, and its frames
        show up here. The <a href={routeTo("topology")}>topology</a> tells what runs.
      </Empty>
    );
  }
  const aspect = commonAspect(video.map((stream) => stream.shape));
  return (
    <div class="live" ref={box}>
      {video.length > 0 && (
        <section class="tiles" aria-label="Video" data-count={video.length} style={gridStyle(gridFor(video.length, aspect, area), aspect)}>
          {video.map((stream) => (
            <VideoTile key={stream.topic} topic={stream.topic} />
          ))}
        </section>
      )}
      {data.length > 0 && (
        <section class="tiles data-tiles" aria-label="Data">
          {data.map((stream) => (
            <DataTile key={stream.topic} topic={stream.topic} />
          ))}
        </section>
      )}
    </div>
  );
}

function gridStyle(grid: Grid, aspect: number): Record<string, string> {
  const width = grid.width === null ? "minmax(0, 1fr)" : `${grid.width}px`;
  return { "--aspect": String(aspect), gridTemplateColumns: `repeat(${grid.columns}, ${width})` };
}

function useArea(box: RefObject<HTMLElement | null>): Area {
  const [area, setArea] = useState<Area>({ width: 0, height: 0, rem: 16 });
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const measure = (): void => {
      const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
      const top = element.getBoundingClientRect().top + scrollY;
      setArea({ width: element.clientWidth, height: innerHeight - top - rem, rem });
    };
    const watcher = new ResizeObserver(measure);
    watcher.observe(document.documentElement);
    watcher.observe(element);
    addEventListener("resize", measure);
    return () => {
      watcher.disconnect();
      removeEventListener("resize", measure);
    };
  }, [box, streamKeys.value === ""]);
  return area;
}

/** Width over height that most pictures have, so that most tiles show no bars. */
export function commonAspect(shapes: readonly (number[] | null)[]): number {
  const votes = new Map<number, number>();
  for (const shape of shapes) {
    const [height, width] = shape ?? [];
    if (!height || !width) continue;
    const aspect = Math.round(Math.min(1.78, Math.max(1, width / height)) * 100) / 100;
    votes.set(aspect, (votes.get(aspect) ?? 0) + 1);
  }
  const best = [...votes].sort((a, b) => b[1] - a[1])[0];
  return best?.[0] ?? 1.33;
}
