// Copies the front-end code of package.json to static/vendor, with its licences and its checksums.
// Run by `make vendor` in a folder where npm has installed the lock; the argument is the folder to fill.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";

const target = process.argv[2];
const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
const COPIED = {
  "htmx.min.js": "htmx.org/dist/htmx.min.js",
  "htmx-ext-sse.min.js": "htmx-ext-sse/dist/sse.min.js",
  "vega.min.js": "vega/build/vega.min.js",
  "vega-lite.min.js": "vega-lite/build/vega-lite.min.js",
};
const ONLY_FOR_COMMAND_LINES = new Set(["yargs", "commander", "iconv-lite", "rw", "@types/estree", "@types/geojson"]);

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
for (const [name, source] of Object.entries(COPIED)) {
  const text = readFileSync(join("node_modules", source), "utf8");
  writeFileSync(join(target, name), text.replace(/^\/\/# sourceMappingURL=.*$/m, "").trimEnd() + "\n");
}
// The interpreter comes as a module only: made into one script like the others.
buildSync({
  entryPoints: ["node_modules/vega-interpreter/build/vega-interpreter.js"],
  outfile: join(target, "vega-interpreter.min.js"),
  bundle: true, minify: true, format: "iife", globalName: "vegaInterpreter", legalComments: "none",
});

writeFileSync(join(target, "LICENSES.txt"), licences());
const sums = readdirSync(target).sort().map((name) =>
  `${createHash("sha256").update(readFileSync(join(target, name))).digest("hex")}  ${name}\n`);
writeFileSync(join(target, "SHA256SUMS"), sums.join(""));

// The licence text of every package that may be part of the files, packages with one text together.
function licences() {
  const byText = new Map();
  for (const path of bundled()) {
    const entry = lock.packages[path];
    const file = readdirSync(path).find((name) => /^licen[cs]e/i.test(name));
    const text = file ? readFileSync(join(path, file), "utf8").trim() : `${entry.license} (no text in the package)`;
    const name = `${path.replace(/^.*node_modules\//, "")} ${entry.version} (${entry.license})`;
    byText.set(text, [...(byText.get(text) ?? []), name]);
  }
  const parts = [...byText].map(([text, names]) => `${names.sort().join("\n")}\n\n${text}\n`);
  return parts.sort().join("\n" + "-".repeat(100) + "\n\n");
}

// Where the packages are that the copied files are made of, without what only their command lines need.
function bundled() {
  const found = new Set();
  const waiting = Object.keys(lock.packages[""].dependencies).map((name) => ["", name]);
  while (waiting.length > 0) {
    const [from, name] = waiting.pop();
    if (ONLY_FOR_COMMAND_LINES.has(name)) continue;
    const nested = `${from}/node_modules/${name}`;
    const path = nested in lock.packages ? nested : `node_modules/${name}`;
    if (found.has(path)) continue;
    found.add(path);
    waiting.push(...Object.keys(lock.packages[path].dependencies ?? {}).map((needed) => [path, needed]));
  }
  return found;
}
