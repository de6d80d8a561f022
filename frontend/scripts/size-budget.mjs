/** Fails when the scripts of the build, compressed, are larger than the budget. */

import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET = 150 * 1024;
const ASSETS = new URL("../../src/edgeflow/web/static/assets/", import.meta.url);

let total = 0;
for (const name of readdirSync(ASSETS).filter((each) => each.endsWith(".js"))) {
  const size = gzipSync(readFileSync(new URL(name, ASSETS))).length;
  total += size;
  process.stdout.write(`${name}: ${(size / 1024).toFixed(1)} KiB gzip\n`);
}
process.stdout.write(`scripts: ${(total / 1024).toFixed(1)} of ${BUDGET / 1024} KiB gzip\n`);
if (total > BUDGET) process.exit(1);
