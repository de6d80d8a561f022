import { defineConfig } from "vite";

/** Holds the first paint until the theme is known, so that no wrong colours flash. */
const blockFirstPaint = {
  name: "block-first-paint",
  transformIndexHtml: {
    order: "post" as const,
    handler: (html: string): string =>
      html.replace('<script type="module" crossorigin', '<script type="module" blocking="render"'),
  },
};

export default defineConfig({
  plugins: [blockFirstPaint],
  // The server mounts the build at /static; pages are served elsewhere (/dashboard, /docs).
  base: "/static/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../src/edgeflow/web/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: true,
    rollupOptions: { input: ["index.html", "docs.html"] },
  },
  server: {
    proxy: {
      "^/(api|video|snapshot|openapi.json)": "http://127.0.0.1:8000",
      "/ws": { target: "ws://127.0.0.1:8000", ws: true },
    },
  },
  test: { environment: "happy-dom", include: ["tests/**/*.test.{ts,tsx}"] },
} as Parameters<typeof defineConfig>[0]);
