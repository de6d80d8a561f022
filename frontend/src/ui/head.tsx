/** The head line: whose flow this is, how it is doing, and the totals. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { address } from "../state/api";
import { bytes, count, duration, plural, rate } from "../state/format";
import { deviceTotals, type Health } from "../state/health";
import type { ClimateSummary } from "../state/climate-types";
import type { SensingSummary } from "../state/sensing-types";
import { climate, connection, devices, flows, health, sensing, status, totals } from "../state/store";
import { theme, toggleTheme } from "../state/theme";
import { Icon, type IconName } from "./icons";
import { IconButton } from "./parts";

export function Head({ nav }: { nav: ComponentChildren }): JSX.Element {
  const dark = theme.value === "dark";
  return (
    <header class="head">
      <div class="head-bar">
        <a class="brand" href="#/live" aria-label="EdgeFlow">
          <Mark />
          <AppName />
        </a>
        {nav}
        <div class="head-end">
          <HealthPill />
          <a class="icon-button docs-link" href={address("docs")} aria-label="API reference" title="API reference">
            <Icon name="book" />
          </a>
          <IconButton icon={dark ? "sun" : "moon"} label={dark ? "Use light colours" : "Use dark colours"} onClick={toggleTheme} />
        </div>
      </div>
      <TotalsLine />
    </header>
  );
}

export function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M5 18C13 18 11 6 19 6" />
      <circle class="mark-from" cx="5" cy="18" r="2.9" />
      <circle class="mark-to" cx="19" cy="6" r="3.6" />
    </svg>
  );
}

function AppName(): JSX.Element {
  const name = status.value?.app;
  return (
    <span class="brand-name">
      {name ? <span class="brand-app">{name}</span> : "EdgeFlow"}
    </span>
  );
}

const HEALTH_ICONS: Record<Health["level"], IconName> = {
  ok: "running",
  warn: "warning",
  bad: "failed",
};

function HealthPill(): JSX.Element | null {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return undefined;
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "Escape") setOpen(false);
    };
    const onPointer = (event: PointerEvent): void => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener("keydown", onKey);
    addEventListener("pointerdown", onPointer);
    return () => {
      removeEventListener("keydown", onKey);
      removeEventListener("pointerdown", onPointer);
    };
  }, [open]);
  const now = health.value;
  if (!now) return null;
  if (connection.value === "lost") {
    return (
      <span class="pill lost">
        <Icon name="unplugged" />
        Offline
      </span>
    );
  }
  return (
    <div class="health" ref={box}>
      <button
        type="button"
        class={`pill ${now.level}`}
        aria-expanded={open}
        aria-label={`Health: ${now.text}`}
        onClick={() => setOpen(!open)}
      >
        <Icon name={HEALTH_ICONS[now.level]} />
        {now.text}
      </button>
      {open && <Problems health={now} close={() => setOpen(false)} />}
    </div>
  );
}

function Problems({ health: now, close }: { health: Health; close: () => void }): JSX.Element {
  return (
    <div class="popover" role="region" aria-label="Problems">
      {now.problems.length === 0 && <p class="muted">Everything runs: nodes, streams and devices.</p>}
      <ul>
        {now.problems.map((problem) => (
          <li key={`${problem.subject}:${problem.route}`}>
            <a href={problem.route} onClick={close}>
              <span class={`state ${problem.level}`}>
                <Icon name={HEALTH_ICONS[problem.level]} />
              </span>
              <span>
                <b>{problem.subject}</b> {problem.text}
              </span>
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}

function TotalsLine(): JSX.Element | null {
  const now = totals.value;
  const flow = status.value;
  if (!now || !flow) return null;
  if (!flows.value && devices.value.length > 0) return <DeviceTotalsLine up={flow.time - flow.started} />;
  if (!flows.value && sensing.value) return <SensingTotalsLine now={sensing.value} up={flow.time - flow.started} />;
  if (!flows.value && climate.value) return <ClimateTotalsLine now={climate.value} up={flow.time - flow.started} />;
  return (
    <dl class="totals" aria-label="Totals">
      <Total label="Captured" value={rate(now.framesIn)} unit="fps" />
      <Total label="Shown" value={rate(now.framesShown)} unit="fps" />
      <Total
        label="Skipped"
        value={count(now.droppedRealtime)}
        title="Frames a newer one replaced on realtime links: slow consumers always get the newest"
      />
      <Total
        label="Dropped"
        value={count(now.droppedQueued)}
        level={now.droppedQueued > 0 ? "warn" : undefined}
        title="Frames lost on links that should keep them (balanced and durable)"
      />
      <Total label="Errors" value={count(now.errors)} level={now.errors > 0 ? "warn" : undefined} />
      <Total label="Restarts" value={count(now.restarts)} level={now.restarts > 0 ? "warn" : undefined} />
      <Total
        label="Replicas"
        value={`${now.alive}/${now.wanted}`}
        level={now.alive < now.wanted ? "warn" : undefined}
        title={`${plural(now.alive, "replica")} alive of ${now.wanted}`}
      />
      <Total label="Mode" value={flow.mode} />
      <Total label="Up" value={duration(flow.time - flow.started)} />
    </dl>
  );
}

function DeviceTotalsLine({ up }: { up: number }): JSX.Element {
  const now = deviceTotals(devices.value);
  return (
    <dl class="totals" aria-label="Totals">
      <Total label="Boards" value={`${now.ready}/${now.all}`} level={now.ready < now.all ? "warn" : undefined} title={`${now.ready} of ${now.all} answer`} />
      <Total label="Answers" value={rate(now.rate)} unit="/s" />
      <Total label="Requests" value={count(now.requests)} />
      <Total label="Waiting" value={count(now.waiting)} />
      <Total label="Errors" value={count(now.errors)} level={now.errors > 0 ? "warn" : undefined} />
      <Total label="Up" value={duration(up)} />
    </dl>
  );
}

function SensingTotalsLine({ now, up }: { now: SensingSummary; up: number }): JSX.Element {
  const lossy = now.loss > 0.05 ? "warn" : undefined;
  return (
    <dl class="totals" aria-label="Totals">
      <Total label="Nodes" value={`${now.live}/${now.nodes}`} level={now.live < now.nodes ? "warn" : undefined} title={`${now.live} of ${now.nodes} were heard in the last five seconds`} />
      <Total label="Frames" value={rate(now.rate)} unit="/s" />
      <Total label="Lost" value={`${(100 * now.loss).toFixed(1)} %`} level={lossy} title="Part of the frames that did not arrive, mean of the nodes that are heard" />
      <Total label="Present" value={count(now.present)} title="Nodes that sense somebody" />
      <Total label="Up" value={duration(up)} />
    </dl>
  );
}

function ClimateTotalsLine({ now, up }: { now: ClimateSummary; up: number }): JSX.Element {
  return (
    <dl class="totals" aria-label="Totals">
      <Total label="Devices" value={`${now.online}/${now.devices}`} level={now.online < now.devices ? "warn" : undefined} title={`${now.online} of ${now.devices} are online`} />
      <Total label="Readings" value={rate(now.rate)} unit="/s" />
      <Total label="Decisions" value={count(now.decisions)} title="Since the start" />
      <Total label="Set by people" value={count(now.overrides)} title="Since the start" />
      <Total label="Refused" value={count(now.refused)} level={now.refused > 0 ? "warn" : undefined} title="Messages kept as dead letters since the start" />
      <Total label="Waiting" value={bytes(now.waiting_bytes)} level={now.waiting_bytes > 1 << 20 ? "warn" : undefined} title="In the spool, for the store" />
      <Total label="Up" value={duration(up)} />
    </dl>
  );
}

function Total(props: {
  label: string;
  value: string;
  unit?: string;
  level?: "warn" | undefined;
  title?: string;
}): JSX.Element {
  return (
    <div class={props.level} title={props.title}>
      <dt>{props.label}</dt>
      <dd>
        {props.value}
        {props.unit && <small>{props.unit}</small>}
      </dd>
    </div>
  );
}
