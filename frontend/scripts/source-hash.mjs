/**
 * Prints the sha256 over everything the build is made from; `--write` also puts it beside the
 * build. The digest is over one line per file, "<sha256 of the file>  <path>\n", sorted by path.
 */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../", import.meta.url);
const TARGET = new URL("../../src/edgeflow/web/static/SOURCE_HASH", import.meta.url);
const FILES = ["docs.html", "index.html", "package-lock.json", "package.json", "tsconfig.json", "vite.config.ts"];

const folder = fileURLToPath(ROOT);
const sources = readdirSync(join(folder, "src"), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"));

const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const lines = [...FILES, ...sources].sort().map((path) => `${sha256(readFileSync(new URL(path, ROOT)))}  ${path}\n`);
const digest = sha256(lines.join(""));
if (process.argv.includes("--write")) writeFileSync(TARGET, `${digest}\n`);
process.stdout.write(`${digest}\n`);
