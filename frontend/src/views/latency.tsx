/** Where the time goes: per path, the stay in each node and the way along each link. */

import type { JSX } from "preact";

import { address } from "../state/api";
import { millis, plural } from "../state/format";
import { bottleneckSentence } from "../state/health";
import { paths } from "../state/store";
import type { PathLatency, Segment } from "../state/types";
import { Icon } from "../ui/icons";
import { Empty } from "../ui/parts";

export function Latency(): JSX.Element {
  const known = paths.value.filter((path) => path.segments.length > 0);
  if (known.length === 0) {
    return (
      <Empty icon="latency" title="No path measured yet">
        Each frame carries stamps of every node it passed. Paths appear once frames reach an end of
        the graph.
      </Empty>
    );
  }
  return (
    <div class="latency">
      <header class="view-head">
        <div>
          <h1>Latency</h1>
          <p class="muted">From capture to the end of each path, over the frames that arrived lately.</p>
        </div>
        <p class="legend" aria-hidden="true">
          <span><i class="swatch node" />in a node</span>
          <span><i class="swatch link" />on a link</span>
          <span><i class="swatch tail" />up to p99</span>
        </p>
        <a class="button" href={address("api/trace/chrome")} download="trace.json">
          <Icon name="download" />
          Chrome trace
        </a>
      </header>
      {known.map((path) => (
        <Path key={path.path.join("→")} path={path} />
      ))}
    </div>
  );
}

/** End of the scale: the furthest any bar or tail of the path reaches. */
export function scaleEnd(path: PathLatency): number {
  return Math.max(
    path.p50_ms,
    ...path.segments.map((each) => each.start_ms + Math.max(each.p50_ms, each.p99_ms)),
  );
}

function Path({ path }: { path: PathLatency }): JSX.Element {
  const end = scaleEnd(path) || 1;
  return (
    <section class="path" aria-label={`Path ${path.path.join(" to ")}`}>
      <header>
        <h2>
          {path.path.map((name, index) => (
            <span key={name}>
              {index > 0 && <span class="faint" aria-hidden="true"> → </span>}
              {name}
            </span>
          ))}
        </h2>
        <p class="path-totals">
          <span><b>{millis(path.p50_ms)}</b> p50</span>
          <span><b>{millis(path.p99_ms)}</b> p99</span>
          <span>{plural(path.frames, "frame")}</span>
        </p>
        <p class="path-verdict"><Icon name="latency" />{bottleneckSentence(path)}</p>
      </header>
      <Ticks end={end} />
      <ol class="waterfall">
        {path.segments.map((segment) => (
          <Row key={`${segment.kind}:${segment.name}`} segment={segment} end={end} worst={segment.name === path.bottleneck} />
        ))}
      </ol>
    </section>
  );
}

function Row(props: { segment: Segment; end: number; worst: boolean }): JSX.Element {
  const { segment, end, worst } = props;
  const percent = (ms: number): string => `${((ms / end) * 100).toFixed(2)}%`;
  return (
    <li class={worst ? "worst" : undefined}>
      <span class={`segment-name ${segment.kind}`}>{segment.name.replace("->", "→")}</span>
      <span class="lane" aria-hidden="true">
        <i class="tail" style={{ left: percent(segment.start_ms), width: percent(Math.max(segment.p99_ms, segment.p50_ms)) }} />
        <i class={`bar ${segment.kind}`} style={{ left: percent(segment.start_ms), width: percent(segment.p50_ms) }} />
      </span>
      <span class="segment-figures">
        <b>{millis(segment.p50_ms)}</b>
        <span class="muted"><span class="hidden">p99 </span>{millis(segment.p99_ms)}</span>
        {worst && <span class="tag warn">bottleneck</span>}
      </span>
    </li>
  );
}

const TICKS = [0, 0.25, 0.5, 0.75, 1];

/** The time scale above the bars. */
function Ticks({ end }: { end: number }): JSX.Element {
  return (
    <div class="ticks" aria-hidden="true">
      <span class="lane">
        {TICKS.map((share) => (
          <span key={share} style={{ left: `${share * 100}%` }}>{millis(end * share)}</span>
        ))}
      </span>
      <span class="segment-figures"><span>p50</span><span>p99</span></span>
    </div>
  );
}
