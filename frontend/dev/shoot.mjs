/**
 * Takes pictures of the dashboard in headless Chromium:
 * `node dev/shoot.mjs URL FILE.png [WIDTHxHEIGHT] [dark|light] [--wait MS] [--eval JS] [--mobile]`.
 */

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
const QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];

const [url, file, size = "1440x900", theme = "dark"] = process.argv.slice(2);
const option = (name, otherwise) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const [width, height] = size.split("x").map(Number);
const profile = await mkdtemp(join(tmpdir(), "shoot-"));
const browser = spawn("chromium", [...FLAGS, ...QUIET, `--user-data-dir=${profile}`, "--remote-debugging-port=0", "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });

const endpoint = await new Promise((resolve) => {
  let text = "";
  browser.stderr.on("data", (part) => {
    text += part;
    const found = /DevTools listening on (ws:\S+)/.exec(text);
    if (found) resolve(found[1]);
  });
});
const pages = await fetch(`http://${new URL(endpoint).host}/json/list`).then((answer) => answer.json());
const socket = new WebSocket(pages.find((page) => page.type === "page").webSocketDebuggerUrl);
await new Promise((resolve) => socket.on("open", resolve));
let last = 0;
const waiting = new Map();
socket.on("message", (data) => {
  const message = JSON.parse(data);
  if (message.method === "Runtime.exceptionThrown") process.stderr.write(`exception: ${JSON.stringify(message.params.exceptionDetails.exception?.description)}\n`);
  if (message.method === "Log.entryAdded") process.stderr.write(`log: ${message.params.entry.text} ${message.params.entry.url ?? ""}\n`);
  waiting.get(message.id)?.(message.result ?? message.error);
});
const call = (method, params = {}) =>
  new Promise((resolve) => {
    last += 1;
    waiting.set(last, resolve);
    socket.send(JSON.stringify({ id: last, method, params }));
  });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

await call("Runtime.enable");
await call("Log.enable");
await call("Page.enable");
await call("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: process.argv.includes("--mobile") });
await call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: theme }] });
await call("Page.navigate", { url });
await pause(Number(option("--wait", "2500")));
const script = option("--eval", "");
if (script) {
  const answer = await call("Runtime.evaluate", { expression: `(async()=>{${script}})()`, awaitPromise: true, returnByValue: true });
  process.stdout.write(`${JSON.stringify(answer.result?.value ?? answer)}\n`);
  await pause(900);
}
const picture = await call("Page.captureScreenshot", { format: "png" });
await writeFile(file, Buffer.from(picture.data, "base64"));
socket.close();
browser.kill();
await new Promise((resolve) => browser.on("exit", resolve));
await rm(profile, { recursive: true, force: true, maxRetries: 5 });
