/** Entry of the dashboard. */

import { render } from "preact";

import { App } from "./app";
import { followHash } from "./state/route";
import { connect } from "./state/store";
import { followTheme } from "./state/theme";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/live.css";
import "./styles/topology.css";
import "./styles/latency.css";
import "./styles/logs.css";

followTheme();
followHash();
forgetToken();

const root = document.getElementById("root");
if (root) {
  const link = connect();
  render(<App retry={() => link.retryNow()} />, root);
}

/** The cookie carries the token from here on; it need not stay in the address bar. */
function forgetToken(): void {
  const here = new URL(location.href);
  if (!here.searchParams.has("token")) return;
  here.searchParams.delete("token");
  history.replaceState(null, "", here);
}
