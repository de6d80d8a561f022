/** One stream of values: the last one, as compact JSON. */

import type { JSX } from "preact";
import { useRef } from "preact/hooks";

import { duration, rate } from "../../state/format";
import { live, streams } from "../../state/store";
import { Icon } from "../../ui/icons";
import { Preview } from "../../ui/json";
import { memo } from "../../ui/memo";
import { useTap } from "../../ui/tap";
import { useVisible } from "../../ui/visible";

const POLL_MS = 1000;

export function DataTile({ topic }: { topic: string }): JSX.Element | null {
  const tile = useRef<HTMLElement>(null);
  const visible = useVisible(tile);
  const stream = streams.value.find((each) => each.topic === topic);
  if (!stream) return null;
  return (
    <article class={`tile data-tile ${stream.stalled ? "stalled" : ""}`} ref={tile} aria-label={`Stream ${topic}`}>
      <header class="tile-foot">
        <h2>{topic}</h2>
        <p class="tile-figures">
          {stream.stalled && stream.age_s !== null ? (
            <span class="state warn"><Icon name="warning" />stalled {duration(stream.age_s)}</span>
          ) : (
            <span>{rate(stream.fps)}/s</span>
          )}
        </p>
      </header>
      <LastValue topic={topic} active={visible && live.value && !stream.stalled} />
    </article>
  );
}

const LastValue = memo<{ topic: string; active: boolean }>(function LastValue({ topic, active }) {
  const { frame, problem } = useTap(topic, active ? POLL_MS : 0);
  if (!frame) return <p class="data-wait muted">{problem || "waiting for a value"}</p>;
  return <Preview value={frame.preview ?? frame.meta} />;
});
