/** Entry of the API reference. */

import { render } from "preact";

import { followTheme } from "../state/theme";
import "../styles/base.css";
import "../styles/shell.css";
import "../styles/docs.css";
import { Reference } from "./reference";

followTheme();
const root = document.getElementById("root");
if (root) render(<Reference />, root);
