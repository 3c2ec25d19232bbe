// Sums the gzipped size of what index.html loads at once, and fails over the limit.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT = 120 * 1024;
const dist = new URL("../dist/", import.meta.url);

let html;
try {
  html = readFileSync(new URL("index.html", dist), "utf8");
} catch {
  console.error("dist/index.html is missing: run `npm run build` first");
  process.exit(1);
}
const names = [...html.matchAll(/(?:src|href)="\/([^"]+\.(?:js|css))"/g)].map((match) => match[1]);
if (names.length === 0) {
  console.error("index.html names no script and no style sheet");
  process.exit(1);
}
let total = 0;
for (const name of new Set(names)) {
  const size = gzipSync(readFileSync(new URL(name, dist)), { level: 9 }).length;
  total += size;
  console.log(`${(size / 1024).toFixed(1).padStart(8)} KB  ${name}`);
}
console.log(`${(total / 1024).toFixed(1).padStart(8)} KB  first load, gzipped (limit ${LIMIT / 1024} KB)`);
process.exit(total > LIMIT ? 1 : 0);
