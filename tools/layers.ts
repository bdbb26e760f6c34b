/**
 * The import rules of the workspace: who may import whom. `deno run -A tools/layers.ts` prints every import
 * that breaks them and fails if there is one.
 */
import { dirname, join, relative } from "node:path";
import { ROOT } from "./paths.ts";

/** What each member may import; what one may import it may reach through as well. */
const ALLOWED: Record<string, readonly string[]> = {
  proto: [],
  model: ["proto"],
  api: ["model", "proto"],
  client: ["model", "proto"],
  ffi: ["proto"],
  server: ["api", "client", "ffi", "model", "proto"],
  agent: ["client", "ffi", "model", "proto"],
  plugins: ["client", "model", "proto"],
  ctl: ["client", "model", "proto"],
  tools: ["ctl"],
  tests: ["proto", "model", "api", "client", "ffi", "server", "agent", "plugins", "ctl", "tools", "bench"],
  bench: ["proto", "model", "api", "client", "ffi", "server", "agent", "plugins", "ctl", "tools", "tests"],
  examples: ["proto", "model", "client", "plugins"],
};

/** Folders inside a member that may import more than the member. */
const EXCEPTIONS: Record<string, readonly string[]> = {
  "plugins/testing": ["api"],
};

const IMPORT =
  /^\s*(?:import|export)\b[^"';]*?\bfrom\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;

export interface Violation {
  file: string;
  imports: string;
  reason: string;
}

/** @param file path relative to the root @param source its text */
export function violations(file: string, source: string): Violation[] {
  const member = file.split("/")[0]!;
  const found: Violation[] = [];
  for (const match of source.matchAll(IMPORT)) {
    const specifier = (match[1] ?? match[2] ?? match[3])!;
    const target = memberOf(file, specifier);
    if (target === undefined || target === member) continue;
    const reason = whyNot(file, member, target, specifier);
    if (reason !== undefined) found.push({ file, imports: specifier, reason });
  }
  return found;
}

function whyNot(file: string, member: string, target: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return `another member is imported by its name, @k3ts/${target}, never by a path`;
  if (ALLOWED[member] === undefined) return `the member "${member}" has no rule in tools/layers.ts`;
  if (ALLOWED[member].includes(target)) return undefined;
  for (const [folder, extra] of Object.entries(EXCEPTIONS)) {
    if (file.startsWith(`${folder}/`) && extra.includes(target)) return undefined;
  }
  if (/_test\.ts$/.test(file) && specifier.endsWith("/testing")) return undefined;
  return `${member} may import ${ALLOWED[member].join(", ") || "no other member"}`;
}

function memberOf(file: string, specifier: string): string | undefined {
  if (specifier.startsWith("@k3ts/")) return specifier.split("/")[1];
  if (!specifier.startsWith(".")) return undefined;
  return relative(ROOT, join(ROOT, dirname(file), specifier)).split("/")[0];
}

async function* typescript(folder: string): AsyncIterable<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory && !["node_modules", ".git", ".k3ts", "target", "gen"].includes(entry.name)) {
      yield* typescript(path);
    }
    if (entry.isFile && /\.tsx?$/.test(entry.name)) yield path;
  }
}

if (import.meta.main) {
  const broken: Violation[] = [];
  for await (const path of typescript(ROOT)) {
    broken.push(...violations(relative(ROOT, path), await Deno.readTextFile(path)));
  }
  for (const { file, imports, reason } of broken) console.log(`${file} imports ${imports}: ${reason}`);
  console.log(broken.length === 0 ? "Every import keeps to the rules." : `${broken.length} imports break the rules.`);
  Deno.exit(broken.length === 0 ? 0 : 1);
}
