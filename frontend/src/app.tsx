/** The frame around the views: head line, navigation, banners. */

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";

import { ago } from "./state/format";
import { route, routeTo, VIEWS, type View } from "./state/route";
import { climate, connection, decides, devices, flows, lostFor, sensing, status, streamKeys, updatedAt } from "./state/store";
import { Head } from "./ui/head";
import { Icon } from "./ui/icons";
import { Empty } from "./ui/parts";
import { TokenPrompt } from "./ui/token";
import { ActivityView } from "./views/activity";
import { Boards } from "./views/boards";
import { Climate } from "./views/climate";
import { Device } from "./views/device";
import { HealthView } from "./views/health";
import { Latency } from "./views/latency";
import { Learning } from "./views/learning";
import { Live } from "./views/live";
import { Logs } from "./views/logs";
import { Models } from "./views/models";
import { Room } from "./views/room";
import { Sensing } from "./views/sensing";
import { Topology } from "./views/topology";

const PAGES: Record<View, () => JSX.Element> = {
  room: Room,
  live: Live,
  boards: Boards,
  sensing: Sensing,
  climate: Climate,
  device: Device,
  learning: Learning,
  health: HealthView,
  activity: ActivityView,
  models: Models,
  topology: Topology,
  latency: Latency,
  logs: Logs,
};

const TITLES: Record<View, string> = {
  room: "Room",
  live: "Live",
  boards: "Boards",
  sensing: "Sensing",
  climate: "Climate",
  device: "Device",
  learning: "Learning",
  health: "Health",
  activity: "Activity",
  models: "Models",
  topology: "Topology",
  latency: "Latency",
  logs: "Logs",
};

const CLIMATE: ReadonlySet<View> = new Set(["climate", "device", "learning", "health"]);

export function App({ retry }: { retry: () => void }): JSX.Element {
  useViewKeys();
  const view = shownView();
  const name = status.value?.app;
  useEffect(() => {
    document.title = [TITLES[view], name, "EdgeFlow"].filter(Boolean).join(" · ");
  }, [view, name]);
  return (
    <div class="shell" data-connection={connection.value}>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to content
      </button>
      <Head nav={<Nav view={view} />} />
      <LostBanner retry={retry} />
      <main id="main" tabIndex={-1} data-view={view}>
        <Body view={view} retry={retry} />
      </main>
    </div>
  );
}

function Body({ view, retry }: { view: View; retry: () => void }): JSX.Element {
  if (connection.value === "locked") return <TokenPrompt retry={retry} />;
  if (!status.value) {
    return connection.value === "lost" ? (
      <Empty icon="unplugged" title="The flow does not answer">
        Start it with <code>python main.py</code>; this page connects by itself.
      </Empty>
    ) : (
      <Empty icon="starting" title="Connecting" />
    );
  }
  const Page = PAGES[view];
  return <Page />;
}

function Nav({ view }: { view: View }): JSX.Element {
  return (
    <nav class="nav" aria-label="Views">
      {shownViews().map((each) => (
        <a key={each} href={routeTo(each)} aria-current={each === view ? "page" : undefined}>
          <Icon name={each} />
          {TITLES[each]}
        </a>
      ))}
    </nav>
  );
}

/** The view of the address, else the first one that has something to show. */
function shownView(): View {
  const { view, chosen } = route.value;
  if (chosen || !status.value) return view;
  if (hasContent("room")) return "room";
  if (flows.value) return view;
  if (devices.value.length > 0) return "boards";
  return sensing.value ? "sensing" : climate.value ? "climate" : view;
}

/** Only views that have something to show; one that is open stays in the list. */
function shownViews(): readonly View[] {
  const own = shownView();
  return VIEWS.filter((each) => each === own || hasContent(each));
}

function hasContent(view: View): boolean {
  if (view === "room") return streamKeys.value.split("\n").includes("data:room");
  if (view === "boards") return devices.value.length > 0;
  if (view === "sensing") return sensing.value !== null;
  if (CLIMATE.has(view)) return climate.value !== null;
  if (view === "activity") return decides.value;
  if (view === "models") return decides.value && flows.value;
  return flows.value || (devices.value.length === 0 && sensing.value === null && climate.value === null);
}

function LostBanner({ retry }: { retry: () => void }): JSX.Element | null {
  if (connection.value !== "lost" || updatedAt.value === 0) return null;
  return (
    <div class="banner" role="alert">
      <Icon name="unplugged" />
      <span>
        <b>Connection lost.</b> Last update {ago(lostFor.value)}, reconnecting…
      </span>
      <button type="button" class="button" onClick={retry}>Retry now</button>
    </div>
  );
}

/** The number keys switch between the views, unless something is being typed. */
function useViewKeys(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const typing = event.target instanceof HTMLElement && event.target.closest("input,select,textarea");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      const view = shownViews()[Number(event.key) - 1];
      if (view) location.hash = routeTo(view);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}
