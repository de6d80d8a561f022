/** One room with all its senses: who is there, its air, what is forecast of it, and what follows. */

import type { ComponentChildren, JSX } from "preact";

import { ago, clock, figure } from "../state/format";
import { alarms, aheadOf, decisions, missedBy, NO_TREND, open, type Senses, sensesOf, somebody, type Trend, trendOf } from "../state/room";
import { activity, status, streams } from "../state/store";
import type { Activity } from "../state/types";
import { Icon, type IconName } from "../ui/icons";
import { Empty } from "../ui/parts";
import { useTap } from "../ui/tap";
import { VideoTile } from "./live/video-tile";
import { Curve, type Line } from "./room/curve";

const POLL_MS = 1000;
const SLOW_MS = 2000;
const AHEAD = 20;
const SHOWN = 40;

export function Room(): JSX.Element {
  const senses = sensesOf(useTap("room", POLL_MS).frame);
  if (!senses) return <Empty icon="starting" title="The senses come together" />;
  const doubts = open(activity.value);
  return (
    <div class="smart-room">
      {doubts.map((entry) => (
        <p key={entry.agent} class="banner smart-doubt" role="alert"><Icon name="warning" /><span><b>{entry.text}</b>, since {clock(entry.time)}</span></p>
      ))}
      <div class="smart-top">
        <Picture />
        <Cards senses={senses} />
      </div>
      <Curves senses={senses} />
      <div class="smart-lists">
        <List title="Window" icon="action" none="No decision yet" rows={decisions(activity.value)} />
        <List title="Alerts" icon="alert" none="The senses agree" rows={alarms(activity.value)} />
      </div>
    </div>
  );
}

function Picture(): JSX.Element | null {
  const video = streams.value.find((stream) => stream.kind === "image");
  if (!video) return <div class="tile smart-no-picture"><Empty icon="live" title="No picture yet" /></div>;
  return <div class="smart-picture"><VideoTile topic={video.topic} /></div>;
}

function Cards({ senses }: { senses: Senses }): JSX.Element {
  const there = somebody(senses);
  const [last] = decisions(activity.value);
  const reason = String(last?.detail.reason ?? "");
  return (
    <div class="smart-cards">
      <Card icon="person" title="Somebody there" tone={there ? "on" : ""} note={agreement(senses)}>{there === null ? null : there ? "Yes" : "No"}</Card>
      <Card icon="live" title="Camera" tone={(senses.faces ?? 0) > 0 ? "on" : ""} unit={senses.faces === 1 ? "face" : "faces"} note="found in the picture">{senses.faces}</Card>
      <Card icon="sensing" title="WiFi" tone={senses.present ? "on" : ""} note="by the radio channel">{senses.present === null ? null : senses.present ? "Present" : "Empty"}</Card>
      <Card icon="breath" title="Breathing" tone={senses.breathing !== null ? "on" : ""} unit="per min" note={senses.breathing !== null ? `${Math.round(100 * senses.confidence)} % sure` : senses.present ? "not sure enough yet" : "nobody to hear"}>{senses.breathing?.toFixed(1) ?? null}</Card>
      <Card icon="climate" title="Temperature" unit="°C" note="of the air">{senses.temperature?.toFixed(1) ?? null}</Card>
      <Card icon="drop" title="Humidity" unit="%" note="relative">{senses.humidity?.toFixed(0) ?? null}</Card>
      <Card icon="activity" title="Noise" unit="dBFS" note="0 is the loudest">{senses.noise === null ? null : figure(senses.noise)}</Card>
      <section class="card vital smart-window" aria-label="Window">
        <h3><Icon name="device" />Window</h3>
        <p class="vital-value">{senses.window === null ? <None /> : <>{senses.window.toFixed(0)}<small> % open</small></>}</p>
        <meter min={0} max={100} value={senses.window ?? 0} aria-label="Per cent open" />
        <p class="smart-reason">{reason || "no decision yet"}</p>
      </section>
    </div>
  );
}

function Card(props: { icon: IconName; title: string; tone?: string; unit?: string; note: string; children: ComponentChildren }): JSX.Element {
  return (
    <section class={`card vital ${props.tone ?? ""}`} aria-label={props.title}>
      <h3><Icon name={props.icon} />{props.title}</h3>
      <p class="vital-value">{props.children === null ? <None /> : <>{props.children}{props.unit && <small> {props.unit}</small>}</>}</p>
      <p class="vital-note">{props.note}</p>
    </section>
  );
}

function None(): JSX.Element {
  return <span class="no-reading">no reading</span>;
}

export function agreement(senses: Senses): string {
  if (senses.faces === null || senses.present === null) return `${senses.missing.join(", ") || "a sense"} silent`;
  return senses.faces > 0 === senses.present ? "camera and WiFi agree" : senses.present ? "WiFi says so, the camera does not" : "the camera says so, WiFi does not";
}

function Curves({ senses }: { senses: Senses }): JSX.Element {
  const now = senses.time;
  const trend = trendOf(useTap("history", SLOW_MS).frame);
  const ahead = aheadOf(useTap("forecast", SLOW_MS).frame);
  const told = streams.value.some((stream) => stream.topic === "foretold");
  const before = useTrend(told);
  const line = (key: string, label: string, tone: Line["tone"] = "accent"): Line => ({ label, tone, times: trend.times, values: trend.values[key] ?? [] });
  const there = line("csi.presence", "WiFi: somebody");
  const seen = line("camera.detections.#", "camera: somebody");
  const earlier: Line = { label: `forecast ${AHEAD} s before`, tone: "told", times: before.times.map((time) => time + AHEAD), values: before.values["forecast.values.3"] ?? [] };
  const coming: Line = { label: "forecast", tone: "ahead", times: ahead?.times ?? [], values: ahead?.values ?? [] };
  const missed = missedBy(before, trend, "forecast.values.3", "air.temperature", AHEAD);
  const note = missed === null ? "The board's forecast goes on after the line." : `Forecasts made ${AHEAD} s before missed by ${missed.toFixed(2)} °C in the mean.`;
  return (
    <div class="smart-curves">
      <Curve title="Temperature" value={senses.temperature} unit="°C" digits={1} span={2} now={now} lines={[line("air.temperature", "measured"), earlier, coming]} there={there} note={note} />
      <Curve title="Window" value={senses.window} unit="%" digits={0} span={10} limits={[0, 100]} now={now} lines={[line("air.window_position", "open")]} there={seen} />
      <Curve title="Humidity" value={senses.humidity} unit="%" digits={0} span={8} now={now} lines={[line("air.humidity", "measured")]} there={there} />
      <Curve title="Noise" value={senses.noise} unit="dBFS" digits={0} span={12} now={now} lines={[line("air.sound_volume", "measured")]} there={there} />
    </div>
  );
}

/** What was forecast earlier; nothing where nobody keeps it. */
function useTrend(kept: boolean): Trend {
  const { frame } = useTap("foretold", SLOW_MS);
  return kept ? trendOf(frame) : NO_TREND;
}

function List(props: { title: string; icon: IconName; none: string; rows: readonly Activity[] }): JSX.Element {
  const now = status.value?.time ?? 0;
  return (
    <section class="card smart-list" aria-label={props.title}>
      <header><h3><Icon name={props.icon} />{props.title}</h3></header>
      {props.rows.length === 0 && <p class="muted">{props.none}</p>}
      <ol>
        {props.rows.slice(0, SHOWN).map((entry) => (
          <li key={entry.number} class={entry.level === "warning" ? "warn" : ""}>
            <time title={ago(now - entry.time)}>{clock(entry.time)}</time>
            <span>{entry.text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
