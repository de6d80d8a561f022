/** The newest frame of a topic, as a picture or as JSON. */

import type { JSX } from "preact";

import { snapshotAddress } from "../../state/api";
import { clock, resolution } from "../../state/format";
import type { TappedFrame } from "../../state/types";
import { Json, Preview } from "../../ui/json";
import { IconButton } from "../../ui/parts";
import { useTap } from "../../ui/tap";

export function LastFrame({ topic }: { topic: string }): JSX.Element {
  const { frame, problem, busy, refresh } = useTap(topic);
  return (
    <section class="last-frame">
      <h3>
        Last frame
        {frame && <span class="muted">#{frame.id} at {clock(frame.timestamp, true)}</span>}
        <IconButton icon="refresh" label="Look again" onClick={refresh} />
      </h3>
      {!frame && <p class="muted">{busy ? "Waiting for a frame…" : problem}</p>}
      {frame && problem && <p class="problem">{problem}</p>}
      {frame && <Body frame={frame} topic={topic} />}
    </section>
  );
}

function Body({ frame, topic }: { frame: TappedFrame; topic: string }): JSX.Element {
  const meta = Object.keys(frame.meta ?? {}).length > 0;
  return (
    <>
      {frame.image ? (
        <img src={snapshotAddress(topic, frame.id)} alt={`Frame ${frame.id} of ${topic}`} />
      ) : (
        <Preview value={frame.preview} />
      )}
      <p class="muted">{describe(frame)}</p>
      {meta && <Json value={frame.meta} />}
    </>
  );
}

function describe(frame: TappedFrame): string {
  const size = frame.image ? resolution(frame.shape) : (frame.shape ?? []).join("×");
  return [frame.kind, frame.dtype, size, frame.redelivered ? "redelivered" : ""].filter(Boolean).join(" · ");
}
