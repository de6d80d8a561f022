/** The counters of one link. */

import type { JSX } from "preact";

import { bytes, count, millis, rate } from "../../state/format";
import type { LinkStatus } from "../../state/types";
import { Arrow, Figures } from "../../ui/parts";
import { Panel } from "./panel";

const PROMISES: Record<string, string> = {
  realtime: "The newest frame wins; a slow consumer skips frames and never holds the source back.",
  durable: "Every frame, in order, acknowledged after processing; a full queue holds the source back.",
  balanced: "A bounded queue in order; when it is full the oldest frame is dropped and counted.",
};

export function LinkPanel({ link, close }: { link: LinkStatus; close: () => void }): JSX.Element {
  const realtime = link.qos === "realtime";
  const fill = link.capacity > 0 ? Math.min(1, link.depth / link.capacity) : 0;
  return (
    <Panel
      label={`Link from ${link.source} to ${link.target}`}
      title={<Arrow from={link.source} to={link.target} />}
      sub={<>{link.qos} over {link.via || "–"}, {link.codec}, topic {link.topic}</>}
      close={close}
    >
      <Figures
        items={[
          { label: "Rate", value: `${rate(link.rate)}/s` },
          { label: "Latency p50", value: millis(link.latency_p50_ms) },
          { label: "Latency p99", value: millis(link.latency_p99_ms) },
          { label: "Sent", value: count(link.sent) },
          { label: "Received", value: count(link.received) },
          {
            label: realtime ? "Skipped" : "Dropped",
            value: count(link.dropped),
            note: share(link),
            ...(link.dropped > 0 && !realtime ? { level: "warn" as const } : {}),
          },
          { label: "Redelivered", value: count(link.redelivered) },
          { label: "Traffic", value: bytes(link.bytes) },
          { label: "Per frame", value: link.sent > 0 ? bytes(link.bytes / link.sent) : "–" },
        ]}
      />
      <section>
        <h3>Queue</h3>
        <div class="meter" role="meter" aria-label="Queue" aria-valuemin={0} aria-valuemax={link.capacity} aria-valuenow={link.depth}>
          <i style={{ width: `${fill * 100}%` }} class={fill >= 0.9 && !realtime ? "warn" : ""} />
        </div>
        <p class="muted">{link.depth} of {link.capacity} frames wait</p>
      </section>
      <p class="promise">{PROMISES[link.qos]}</p>
    </Panel>
  );
}

function share(link: LinkStatus): string {
  if (link.sent === 0 || link.dropped === 0) return "";
  const percent = (link.dropped / link.sent) * 100;
  return percent < 0.1 ? "<0.1%" : `${percent.toFixed(percent < 10 ? 1 : 0)}%`;
}
