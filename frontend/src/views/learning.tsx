/** The model: how often it decides, how sure, how fast, and how right people find it. */

import type { JSX } from "preact";

import { feature, figure, percent } from "../state/climate";
import type { LearningPage } from "../state/climate-types";
import { count } from "../state/format";
import { usePolled } from "../state/polling";
import { ranges } from "../state/ranges";
import { routeTo } from "../state/route";
import { Bars } from "../ui/bars";
import { Empty, type Figure, Figures } from "../ui/parts";
import { Plot } from "../ui/plot";
import { RangeChoice } from "../ui/ranges";
import { Histogram, ReliabilityPlot, Scatter } from "./climate/judgement";
import { Models } from "./climate/versions";
import { Refused } from "./climate/refused";

const PAGE_MS = 10_000;
const SHOWN_DEVICES = 12;

export function Learning(): JSX.Element {
  const { page, error, again } = usePolled<LearningPage>(`api/climate/learning?seconds=${ranges.learning.value}`, PAGE_MS);
  return (
    <div class="climate">
      <header class="view-head">
        <div>
          <h1>Learning</h1>
          {page && page.sampled < 0.95 * page.decided && <p class="muted">Numbers about single decisions are of the newest {count(page.sampled)}.</p>}
        </div>
        <RangeChoice chosen={ranges.learning} />
      </header>
      <Refused error={error} />
      {page ? <Body page={page} again={again} /> : !error && <Empty icon="starting" title="Asking the store" />}
    </div>
  );
}

function Body({ page, again }: { page: LearningPage; again: () => void }): JSX.Element {
  return (
    <>
      <Figures items={figures(page)} />
      <Models page={page} changed={again} />
      <div class="climate-charts">
        <section class="card" aria-label="Reliability">
          <header><h3>Promise and truth</h3><span class="muted">mean distance {figure(100 * page.reliability.error, 1)} points</span></header>
          <ReliabilityPlot of={page.reliability} />
        </section>
        <section class="card" aria-label="Confidence histogram">
          <header><h3>Decisions by confidence</h3><span class="muted">least {percent(page.confidence[1])}</span></header>
          <Histogram counts={page.histogram} />
        </section>
        <section class="card" aria-label="Error against people">
          <header><h3>Error against people</h3><span class="muted">points, by hour</span></header>
          <Plot label="Points between a position set by hand and the decision before it" chart={page.errors} format={(value) => figure(value, 0)} names={{ error: "mean error" }} filled group="learning" />
        </section>
        <section class="card" aria-label="Inference latency">
          <header><h3>Inference latency</h3><span class="muted">ms</span></header>
          <Plot label="Milliseconds that the model took" chart={page.latency} format={(value) => figure(value, digitsOf(value))} group="learning" />
        </section>
        <section class="card" aria-label="From request to decision">
          <header><h3>From request to decision</h3><span class="muted">ms</span></header>
          <Plot label="Milliseconds from request to decision" chart={page.response} format={(value) => figure(value, digitsOf(value))} group="learning" />
        </section>
        <section class="card" aria-label="Decisions a minute">
          <header><h3>Decisions</h3><span class="muted">a minute</span></header>
          <Plot label="Decisions a minute" chart={page.rate} format={(value) => figure(value, digitsOf(value))} filled group="learning" />
        </section>
        <section class="card" aria-label="Decisions by device">
          <header><h3>Decisions by device</h3><span class="muted">{count(page.devices)} devices</span></header>
          <Bars label="Decisions by device" bars={page.by_device.slice(0, SHOWN_DEVICES).map(([name, value, sure]) => ({ name, value, text: count(value), href: routeTo("device", name), title: `${percent(sure)} sure on average` }))} />
        </section>
        <section class="card" aria-label="Why decisions were asked for">
          <header><h3>Why asked for</h3></header>
          <Bars label="Reasons" bars={Object.entries(page.reasons).slice(0, SHOWN_DEVICES).map(([name, value]) => ({ name: name.replaceAll("_", " ").replaceAll(",", ", "), value, text: count(value) }))} />
        </section>
        <section class="card" aria-label="Feature correlations">
          <header><h3>Features and position</h3><span class="muted">correlation</span></header>
          <Bars label="Correlation of features with the position" most={1} signed bars={Object.entries(page.correlations).map(([name, value]) => ({ name: feature(name).title, value: value ?? 0, text: figure(value, 2) }))} />
          <Drift page={page} />
        </section>
      </div>
      <div class="scatters">
        {Object.keys(page.correlations).map((name, at) => (
          <section key={name} class="card" aria-label={`${feature(name).title} and position`}>
            <header><h3>{feature(name).title} and position</h3><span class="muted">{feature(name).unit}</span></header>
            <Scatter label={`${feature(name).title} beside window position`} points={page.points.map((point) => [point[at] ?? null, point[3] ?? null])} />
          </section>
        ))}
      </div>
    </>
  );
}

function digitsOf(value: number | null | undefined): number {
  return value !== null && value !== undefined && Math.abs(value) < 10 ? 1 : 0;
}

function figures(page: LearningPage): Figure[] {
  const labels = page.counters["labels"];
  return [
    { label: "Decisions", value: count(page.decided) },
    { label: "Mean confidence", value: percent(page.confidence[0]) },
    { label: "Set by people", value: count(page.overridden) },
    { label: "Kept by people", value: percent(page.kept, 1) },
    { label: "Mean error", value: figure(page.error, 1), note: "points" },
    { label: "Within 10 points", value: percent(page.within) },
    ...(labels === undefined ? [] : [{ label: "Labels since start", value: count(labels) }, { label: "Candidates", value: count(page.counters["candidates"] ?? 0) }, { label: "Promotions", value: count(page.counters["promotions"] ?? 0) }]),
  ];
}

function Drift({ page }: { page: LearningPage }): JSX.Element {
  const found = Object.entries(page.drift);
  return (
    <>
      <header class="second"><h3>Drift</h3><span class="muted">{found.length === 0 ? "too few requests to tell" : `above ${page.shifted} it has shifted`}</span></header>
      <Bars label="Population stability index" most={Math.max(2 * page.shifted, ...found.map(([, score]) => score))} bars={found.map(([name, score]) => ({ name: feature(name).title, value: score, text: figure(score, 2), level: score > page.shifted ? "warn" : "ok" }))} />
    </>
  );
}
