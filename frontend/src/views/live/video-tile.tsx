/** One stream of pictures: the picture, its figures, and what can be done with it. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { snapshotAddress } from "../../state/api";
import { count, duration, millis, rate, resolution } from "../../state/format";
import { graph, live, paths, streams } from "../../state/store";
import type { FlowGraph, PathLatency, StreamStatus } from "../../state/types";
import { Icon } from "../../ui/icons";
import { memo } from "../../ui/memo";
import { IconButton } from "../../ui/parts";
import { useVisible } from "../../ui/visible";
import { Player } from "./player";

export function VideoTile({ topic }: { topic: string }): JSX.Element | null {
  const [paused, setPaused] = useState(false);
  const [large, setLarge] = useState(false);
  const tile = useRef<HTMLElement>(null);
  useFullscreen(tile, setLarge);
  const stream = streams.value.find((each) => each.topic === topic);
  if (!stream) return null;
  const enlarge = (): void => void toggleFullscreen(tile.current, large, setLarge);
  const onKey = (event: KeyboardEvent): void => {
    if (event.target !== event.currentTarget) return;
    if (event.key === "f" || event.key === "Enter") enlarge();
    else if (event.key === " ") setPaused(!paused);
    else return;
    event.preventDefault();
  };
  return (
    <article
      class={`tile ${stream.stalled ? "stalled" : ""} ${large ? "large" : ""}`}
      ref={tile}
      tabIndex={0}
      aria-label={`Stream ${topic}`}
      onKeyDown={onKey}
    >
      <Stage topic={topic} paused={paused} live={live.value} onOpen={enlarge} />
      <Overlay stream={stream} paused={paused} />
      <footer class="tile-foot">
        <h2>{topic}</h2>
        <TileFigures stream={stream} />
        <div class="tile-actions">
          <IconButton icon={paused ? "play" : "pause"} label={`${paused ? "Play" : "Pause"} ${topic}`} onClick={() => setPaused(!paused)} />
          <a class="icon-button" href={snapshotAddress(topic)} download={snapshotName(topic)} aria-label={`Save a picture of ${topic}`} title="Save a picture">
            <Icon name="download" />
          </a>
          <IconButton icon={large ? "collapse" : "expand"} label={large ? "Leave full screen" : `Show ${topic} on the full screen`} onClick={enlarge} />
        </div>
      </footer>
    </article>
  );
}

function TileFigures({ stream }: { stream: StreamStatus }): JSX.Element {
  const latency = latencyInto(stream.topic, graph.value, paths.value);
  return (
    <p class="tile-figures">
      <span title="Frames per second that arrive">{rate(stream.fps)} fps</span>
      {stream.shape && <span title="Resolution">{resolution(stream.shape)}</span>}
      {latency !== null && <span title="From capture to the gateway, median">{millis(latency)}</span>}
      {stream.dropped > 0 && (
        <span class="optional" title="Frames that slow viewers missed">{count(stream.dropped)} missed</span>
      )}
    </p>
  );
}

function Overlay({ stream, paused }: { stream: StreamStatus; paused: boolean }): JSX.Element | null {
  if (stream.kind === "none") {
    return <p class="tile-note"><Icon name="starting" />waiting for the first frame</p>;
  }
  if (stream.stalled && stream.age_s !== null) {
    return <p class="tile-note warn"><Icon name="warning" />stalled {duration(stream.age_s)}</p>;
  }
  return paused ? <p class="tile-note"><Icon name="pause" />paused</p> : null;
}

interface StageProps {
  topic: string;
  paused: boolean;
  live: boolean;
  onOpen: () => void;
}

const Stage = memo<StageProps>(function Stage({ topic, paused, live: connected, onOpen }) {
  const stage = useRef<HTMLDivElement>(null);
  const image = useRef<HTMLImageElement>(null);
  const still = useRef<HTMLCanvasElement>(null);
  const player = useRef<Player | null>(null);
  const [seen, setSeen] = useState(false);
  const visible = useVisible(stage);
  useEffect(() => {
    if (!image.current || !still.current) return undefined;
    const own = new Player(topic, image.current, still.current, () => setSeen(true));
    player.current = own;
    return () => own.stop();
  }, [topic]);
  const play = visible && connected && !paused;
  useEffect(() => {
    if (play) player.current?.play();
    else player.current?.pause();
  }, [play]);
  return (
    <div class={`stage ${seen ? "seen" : ""}`} ref={stage} onDblClick={onOpen}>
      {!seen && <span class="stage-wait" aria-hidden="true" />}
      <canvas ref={still} aria-hidden="true" />
      <img ref={image} alt={`Live picture of ${topic}`} draggable={false} />
    </div>
  );
});

/** Median latency, in ms, of the slowest path that ends in a stream; null while unknown. */
export function latencyInto(
  topic: string,
  flow: FlowGraph | null,
  known: readonly PathLatency[],
): number | null {
  const link = flow?.links.find((each) => (each.channel ?? each.topic) === topic && isGateway(flow, each.target));
  if (!link) return null;
  const found = known.filter(
    (path) =>
      path.frames > 0 &&
      path.path[path.path.length - 1] === link.target &&
      path.path[path.path.length - 2] === link.source,
  );
  return found.length > 0 ? Math.max(...found.map((path) => path.p50_ms)) : null;
}

function isGateway(flow: FlowGraph, name: string): boolean {
  return flow.nodes.some((node) => node.name === name && node.role === "gateway");
}

function snapshotName(topic: string): string {
  return `${topic.replace(/[^\w.-]+/g, "-")}.jpg`;
}

/** Full screen where the browser has it; elsewhere (phones) the tile covers the page. */
async function toggleFullscreen(
  tile: HTMLElement | null,
  large: boolean,
  setLarge: (large: boolean) => void,
): Promise<void> {
  if (!tile) return;
  if (document.fullscreenElement) await document.exitFullscreen();
  else if (large) setLarge(false);
  else if (document.fullscreenEnabled) await tile.requestFullscreen().catch(() => setLarge(true));
  else setLarge(true);
}

function useFullscreen(tile: { current: HTMLElement | null }, setLarge: (large: boolean) => void): void {
  useEffect(() => {
    const onChange = (): void => setLarge(document.fullscreenElement === tile.current);
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "Escape" && !document.fullscreenElement) setLarge(false);
    };
    document.addEventListener("fullscreenchange", onChange);
    addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("fullscreenchange", onChange);
      removeEventListener("keydown", onKey);
    };
  }, [tile, setLarge]);
}
