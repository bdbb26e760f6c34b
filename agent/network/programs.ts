/** What this machine's packet rules and connections are, asked of `nft` and `conntrack`. */
import type { FoundTable } from "./packet_table.ts";
import { type Flow, forgetFlows, parseFlows } from "./flows.ts";

/** The names in a table; undefined when there is no such table. */
export async function findTable(name: string): Promise<FoundTable | undefined> {
  const { success, stdout, stderr } = await run("nft", ["-j", "-t", "list", "table", "ip", name]);
  if (!success) {
    if (/No such file or directory/.test(stderr)) return undefined;
    throw new Error(`Cannot read the packet rules as nft must list the table "${name}": ${stderr.trim()}`);
  }
  const { nftables } = JSON.parse(stdout) as { nftables: Record<string, { name?: string }>[] };
  const names = (kind: string) => nftables.flatMap((entry) => entry[kind]?.name ?? []);
  return { chains: names("chain"), maps: names("map"), sets: names("set") };
}

/** Costs the same however much is in it. */
export async function hasTable(name: string): Promise<boolean> {
  const { success, stdout, stderr } = await run("nft", ["-j", "list", "tables", "ip"]);
  if (!success) throw new Error(`Cannot look for packet rules as nft must list the tables: ${stderr.trim()}`);
  const { nftables } = JSON.parse(stdout) as { nftables: { table?: { name?: string } }[] };
  return nftables.some(({ table }) => table?.name === name);
}

/** All connections of UDP that the kernel follows. */
export async function listFlows(): Promise<Flow[]> {
  const { success, stdout, stderr } = await run("conntrack", ["-L", "-p", "udp"]);
  if (!success) throw new Error(`Cannot list connections as conntrack must do so: ${stderr.trim()}`);
  return parseFlows(stdout);
}

/** Those that have ended meanwhile are no failure. */
export async function deleteFlows(flows: readonly Flow[]): Promise<void> {
  if (flows.length === 0) return;
  const { success, stderr } = await run("conntrack", ["--load-file", "-"], forgetFlows(flows));
  if (!success) throw new Error(`Cannot end connections as conntrack must do so: ${stderr.trim()}`);
}

async function run(program: string, args: string[], input = "") {
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  // It may end without reading; its own words tell why.
  await writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
  const { success, stdout, stderr } = await child.output();
  return { success, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}
