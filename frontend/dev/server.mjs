/**
 * Serves the built dashboard with made-up data: `npm run build && npm run fixture`, then open
 * http://127.0.0.1:8099/dashboard. `--token SECRET` asks for a token, `--port N` moves it.
 */

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";

import { GRAPH, logLine, message, picture, status, tap } from "./scene.mjs";

const ROOT = fileURLToPath(new URL("../../src/edgeflow/web/static/", import.meta.url));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const option = (name, otherwise) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const token = option("--token", "");
const logs = Array.from({ length: 900 }, (_, i) => logLine(Date.now() / 1000 - (900 - i) * 0.6));
setInterval(() => {
  logs.push(logLine());
  if (logs.length > 2000) logs.shift();
}, 400);

const json = (response, body, code = 200) => {
  response.writeHead(code, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
};

const fail = (response, code, name, text, hint) =>
  json(response, { error: { code: name, message: text, hint } }, code);

function allowed(request, url) {
  if (!token) return true;
  return url.searchParams.get("token") === token || (request.headers.cookie ?? "").includes(`fixture=${token}`);
}

const PART = "--frame\r\ncontent-type: image/png\r\n\r\n";

function stream(request, response, topic) {
  response.writeHead(200, { "content-type": "multipart/x-mixed-replace; boundary=frame" });
  const send = () => {
    if (response.writableLength > 0) return;
    const part = picture(topic, Date.now() / 1000, 320, 240);
    // Chromium shows a part once it sees the headers of the next one, so they go out with it.
    response.write(Buffer.concat([part, Buffer.from(`\r\n${PART}`)]));
  };
  response.write(Buffer.concat([Buffer.from(PART), picture(topic, 0, 320, 240), Buffer.from(`\r\n${PART}`)]));
  const timer = topic === "garage" ? null : setInterval(send, 125);
  request.on("close", () => clearInterval(timer));
}

const OPENAPI = new URL("./openapi.json", import.meta.url);

async function api(request, response, url) {
  const [, head, name, rest] = url.pathname.split("/").map(decodeURIComponent);
  if (head === "video") return stream(request, response, name);
  if (head === "snapshot") {
    response.writeHead(200, { "content-type": "image/png" });
    return response.end(picture(name));
  }
  if (head === "openapi.json") {
    response.writeHead(200, { "content-type": "application/json" });
    return response.end(await readFile(OPENAPI));
  }
  const routes = {
    status: () => status(),
    graph: () => GRAPH,
    nodes: () => status().nodes,
    trace: () => message([]).paths,
    logs: () => logs.slice(-Number(url.searchParams.get("limit") ?? 500)),
    tap: () => tap(rest),
  };
  if (head === "api" && routes[name]) return json(response, routes[name]());
  return fail(response, 404, "EF-WEB-404", `there is no ${url.pathname}`, "see /docs");
}

async function file(response, path) {
  try {
    const body = await readFile(join(ROOT, normalize(path)));
    response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "text/plain" });
    response.end(body);
  } catch {
    fail(response, 404, "EF-WEB-404", `no file ${path}`, "run npm run build");
  }
}

const PAGES = { "/": "index.html", "/dashboard": "index.html", "/docs": "docs.html" };

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  if (PAGES[url.pathname]) return file(response, PAGES[url.pathname]);
  if (url.pathname.startsWith("/static/")) return file(response, url.pathname.slice(8));
  if (!allowed(request, url)) return fail(response, 401, "EF-WEB-401", "a token is needed", "add ?token=");
  if (token) response.setHeader("set-cookie", `fixture=${token}; Path=/; HttpOnly; SameSite=Strict`);
  return api(request, response, url);
});

const sockets = new WebSocketServer({ noServer: true });
server.on("upgrade", (request, socket, head) => {
  const url = new URL(request.url, "http://localhost");
  if (!allowed(request, url)) return socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n");
  return sockets.handleUpgrade(request, socket, head, (client) => {
    let seen = logs.at(-1)?.number ?? 0;
    const send = () => {
      const fresh = logs.filter((line) => line.number > seen);
      seen = fresh.at(-1)?.number ?? seen;
      client.send(JSON.stringify(message(fresh)));
    };
    send();
    const timer = setInterval(send, 500);
    client.on("close", () => clearInterval(timer));
    client.on("error", () => clearInterval(timer));
  });
});
server.listen(Number(option("--port", "8099")), "127.0.0.1", () => {
  process.stdout.write(`http://127.0.0.1:${server.address().port}/dashboard\n`);
});
