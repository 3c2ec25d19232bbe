import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const gateway = "http://127.0.0.1:7860";
const served = ["/api", "/reset", "/step", "/state", "/fix", "/run_raw", "/curriculum", "/stats", "/memory", "/health"];

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "dist",
    assetsDir: "assets",
    // light-dark() and nested rules stay as they are written.
    target: ["chrome123", "edge123", "firefox121", "safari17.5"],
    // A data: URL could be refused by a content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: Object.fromEntries(served.map((path) => [path, { target: gateway }])) },
});
