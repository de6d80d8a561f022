/** Entry of the dashboard. */

import { render } from "preact";

import { App } from "./app";
import { unlock } from "./state/api";
import { followHash } from "./state/route";
import { connect } from "./state/store";
import { followTheme } from "./state/theme";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/live.css";
import "./styles/activity.css";
import "./styles/models.css";
import "./styles/boards.css";
import "./styles/sensing.css";
import "./styles/room.css";
import "./styles/climate.css";
import "./styles/topology.css";
import "./styles/latency.css";
import "./styles/logs.css";

followTheme();
followHash();

const root = document.getElementById("root");
const token = takeToken();
if (root) {
  if (token) void unlock(token).catch(() => false).then(() => start(root));
  else start(root);
}

function start(element: HTMLElement): void {
  const link = connect();
  render(<App retry={() => link.retryNow()} />, element);
}

/** Removes the token from the address bar: once handed in, a cookie carries it. */
function takeToken(): string | null {
  const here = new URL(location.href);
  const value = here.searchParams.get("token");
  if (value === null) return null;
  here.searchParams.delete("token");
  history.replaceState(null, "", here);
  return value;
}
