/**
 * `deno task peers [NAME…]`: builds or installs the programs that k3ts is tested with and measured beside; all of
 * them when none is named. What is there already is looked over and kept.
 */
import { parseArgs } from "node:util";
import { choosePeers, ensurePeers, PEER_NAMES, type Result, UnknownPeer } from "./mod.ts";
import { WORK_FOLDER } from "./go.ts";
import { DEBIAN_VERSIONS } from "./versions.ts";

const HELP = `deno task peers [NAME…]

Builds or installs the programs that k3ts is tested with and measured beside, all when none is named:
${PEER_NAMES.join(" ")}
A name without its version means all versions: kubectl is kubectl-1.34, kubectl-1.35 and kubectl-1.36.`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: { help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const names = choosePeers(positionals, PEER_NAMES);
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => stop.abort());
  const screen = new Screen();
  try {
    const results = await ensurePeers(names, { ...screen.outlets(), signal: stop.signal, thorough: true });
    screen.clear();
    console.log(await summary(results));
    return results.some(({ how }) => how === "failed") ? 1 : 0;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    screen.clear();
    console.error(`Stopped: what is finished is kept, and what is compiled lies in ${WORK_FOLDER} for the next run`);
    return 130;
  }
}

/** On a terminal the line of the current step is written over, elsewhere it appears now and then. */
class Screen {
  readonly #isTerminal = Deno.stderr.isTerminal();

  outlets(): { say: (line: string) => void; status?: (line: string) => void } {
    if (!this.#isTerminal) return { say: console.error };
    return {
      say: (line) => {
        this.clear();
        console.error(line);
      },
      status: (line) => {
        const { columns } = Deno.consoleSize();
        this.#write(`\r\x1b[K${line.slice(0, columns - 1)}`);
      },
    };
  }

  clear(): void {
    if (this.#isTerminal) this.#write("\r\x1b[K");
  }

  #write(text: string): void {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  }
}

async function summary(results: readonly Result[]): Promise<string> {
  const rows = [["NAME", "VERSION", "SIZE", "SECONDS", "HOW"]];
  const notes: string[] = [];
  for (const { name, version, path, how, seconds } of results) {
    const bytes = path === undefined ? undefined : (await Deno.stat(path)).size;
    const size = bytes === undefined ? "-" : `${(bytes / 1e6).toFixed(1)} MB`;
    rows.push([name, version, size, seconds?.toFixed(1) ?? "-", how]);
    const pinned = (DEBIAN_VERSIONS as Record<string, string>)[name];
    if (how !== "failed" && pinned !== undefined && pinned !== version) {
      notes.push(`${name} is ${version} here, and figures were taken with ${pinned}: they may differ.`);
    }
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const table = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
  return [...table, ...notes].join("\n");
}

if (import.meta.main) {
  try {
    Deno.exit(await main());
  } catch (error) {
    console.error(error instanceof Error ? `k3ts: ${error.message}` : error);
    Deno.exit(error instanceof UnknownPeer ? 2 : 1);
  }
}
