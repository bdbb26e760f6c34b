/** What may be wrong with this machine. */
import { X509Certificate } from "node:crypto";
import { statfs } from "node:fs/promises";
import { portProblem, preflight } from "../components/preflight.ts";
import { findSupervisor } from "../components/supervisor.ts";
import { nativeFolder } from "../installation.ts";
import { findLeftovers } from "../machine/leftovers.ts";
import { type Finding, ok, problem, warning } from "./finding.ts";
import { examineHealth } from "./health.ts";
import {
  judgeCertificate,
  judgeForwarding,
  judgeKernel,
  judgeMemory,
  judgePacketRules,
  judgeProcess,
  judgeSpace,
} from "./judge.ts";

/** What the machine can do, whether or not k3ts runs. */
export async function examineMachine(dataDir: string): Promise<Finding[]> {
  const shortfalls = await preflight({ roles: ["server", "node"], native: nativeFolder() });
  return [
    judgeKernel(await Deno.readTextFile("/proc/sys/kernel/osrelease")),
    ...(shortfalls.length === 0
      ? [ok("prerequisites", "The kernel and the programs are there.")]
      : shortfalls.map((sentence) => problem("prerequisites", sentence))),
    await nftables(),
    judgeMemory(await Deno.readTextFile("/proc/meminfo")),
    await space(dataDir),
    await resolvers(),
    ...await foreignFirewall(),
  ];
}

/** What runs on a data directory. @returns whether it does, too */
export async function examineProcesses(dataDir: string): Promise<{ findings: Finding[]; runs: boolean }> {
  await using link = await findSupervisor(dataDir);
  if (link === undefined) return { findings: await idle(dataDir), runs: false };
  const { pid, processes } = await link.supervisor.getStatus({});
  const now = Date.now();
  const findings = processes.map((one) =>
    judgeProcess({ ...one, startedAtMs: Number(one.startedAtMs) }, now, `${dataDir}/logs/${one.name}.log`)
  );
  const running = processes.filter((one) => one.running).map(({ name }) => name);
  const health = await examineHealth(dataDir, running);
  return { findings: [ok("supervisor", `It runs (process ${pid}).`), ...findings, ...health], runs: true };
}

/** What the kernel does for the pods of a node that runs. */
export async function examineNetwork(): Promise<Finding[]> {
  const { success, stdout } = await new Deno.Command("nft", { args: ["-j", "list", "tables", "ip"] }).output();
  return [
    judgeForwarding(await Deno.readTextFile("/proc/sys/net/ipv4/ip_forward")),
    // That nft itself does not work is told of the machine.
    ...(success ? [judgePacketRules(new TextDecoder().decode(stdout))] : []),
  ];
}

/** Nothing supervises: then nothing should run, and nothing be in the way of a start. */
async function idle(dataDir: string): Promise<Finding[]> {
  const isThere = await Deno.stat(dataDir).then(() => true, () => false);
  const { processes, mounts } = await findLeftovers(dataDir);
  const programs = processes.filter(({ command }) => !command.includes("k3ts-shim"));
  const findings = [warning("supervisor", `k3ts does not run on ${dataDir}.`, "Start it: k3ts up")];
  if (programs.length > 0) {
    const pids = programs.map(({ pid }) => pid).join(", ");
    findings.push(
      problem(
        "leftovers",
        `Processes ${pids} run without a supervisor.`,
        "Let it take over: k3ts up; or end them: k3ts down",
      ),
    );
  } else if (isThere && processes.length + mounts.length > 0) {
    findings.push(
      warning(
        "leftovers",
        `${processes.length} containers and ${mounts.length} mounts are left of pods.`,
        "They go on with the next k3ts up; to end them: k3ts down --containers",
      ),
    );
  }
  for (const { address, port } of await listening(dataDir)) {
    const taken = portProblem(address, port);
    if (taken !== undefined) findings.push(problem("port", taken, await userOf(port)));
  }
  return findings;
}

/** Where the API is to be served, as it was last. */
async function listening(dataDir: string): Promise<{ address: string; port: number }[]> {
  const text = await Deno.readTextFile(`${dataDir}/run/supervisor.json`).catch(() => undefined);
  if (text === undefined) return [{ address: "127.0.0.1", port: 6443 }];
  const { sockets = [] } = JSON.parse(text) as { sockets?: { name: string; address: string }[] };
  return sockets.filter(({ name }) => name === "api").map(({ address }) => {
    const at = address.lastIndexOf(":");
    return { address: address.slice(0, at).replace(/^\[(.*)\]$/, "$1"), port: Number(address.slice(at + 1)) };
  });
}

/** Which process it is, if we may know. */
async function userOf(port: number): Promise<string> {
  const inode = inodeOfListener(await Deno.readTextFile("/proc/self/net/tcp"), port);
  for await (const { name: pid } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(pid) || inode === undefined) continue;
    try {
      for await (const { name: fd } of Deno.readDir(`/proc/${pid}/fd`)) {
        if (await Deno.readLink(`/proc/${pid}/fd/${fd}`).catch(() => "") !== `socket:[${inode}]`) continue;
        const command = (await Deno.readTextFile(`/proc/${pid}/cmdline`)).replaceAll("\0", " ").trim();
        return `It is process ${pid}: ${command.slice(0, 80)}`;
      }
    } catch {
      // It has ended, or is not ours to look at.
    }
  }
  return `See which: ss -ltnp sport = :${port}`;
}

/** @param text `/proc/net/tcp`, where ports are hexadecimal and 0A is the state of listening */
export function inodeOfListener(text: string, port: number): string | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const rows = text.split("\n").slice(1).map((line) => line.trim().split(/\s+/));
  return rows.find((row) => row[1]?.endsWith(`:${hex}`) && row[3] === "0A")?.[9];
}

/** All that are on this machine. */
export async function examineCertificates(dataDir: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const file of ["pki/ca.crt", "pki/server.crt", "node/node.crt"]) {
    const text = await Deno.readTextFile(`${dataDir}/${file}`).catch(() => undefined);
    if (text !== undefined) findings.push(certificateFinding(`${dataDir}/${file}`, text, Date.now()));
  }
  return findings;
}

/** @param pem one or several; the first is its owner's. @param now ms since the epoch */
export function certificateFinding(source: string, pem: string, now: number): Finding {
  try {
    const { validFrom, validTo } = new X509Certificate(pem);
    return judgeCertificate({ source, notBefore: Date.parse(validFrom), notAfter: Date.parse(validTo) }, now);
  } catch (error) {
    return problem("certificate", `${source} cannot be read: ${(error as Error).message}`);
  }
}

async function space(dataDir: string): Promise<Finding> {
  // What is not there yet will lie where the nearest folder above it lies.
  let path = dataDir;
  while (!await Deno.stat(path).then(() => true, () => false)) path = path.slice(0, path.lastIndexOf("/")) || "/";
  const { bavail, blocks, bsize, files, ffree } = await statfs(path);
  return judgeSpace({ path, free: bavail * bsize, total: blocks * bsize, inodes: files, freeInodes: ffree });
}

async function nftables(): Promise<Finding> {
  const subject = "nftables";
  const { success, stderr } = await new Deno.Command("nft", { args: ["list", "tables"] }).output()
    .catch(() => ({ success: false, stderr: new TextEncoder().encode("nft is missing") }));
  if (success) return ok(subject, "It works.");
  const said = new TextDecoder().decode(stderr).trim().split("\n")[0];
  return problem(subject, `It does not work: ${said}`, "Use a kernel with nf_tables, and run as root.");
}

async function resolvers(): Promise<Finding> {
  const subject = "name servers";
  const text = await Deno.readTextFile("/etc/resolv.conf").catch(() => "");
  const servers = [...text.matchAll(/^nameserver\s+(\S+)/gm)].map(([, server]) => server!);
  if (servers.length > 0) return ok(subject, `Names of elsewhere are asked of ${servers.join(", ")}.`);
  return warning(
    subject,
    "/etc/resolv.conf names none: pods resolve names of the cluster only.",
    "Add a line `nameserver ADDRESS`.",
  );
}

/** Other firewalls may drop what pods send. */
async function foreignFirewall(): Promise<Finding[]> {
  const output = await new Deno.Command("nft", { args: ["list", "chain", "ip", "filter", "FORWARD"], stderr: "null" })
    .output().catch(() => undefined);
  if (!output?.success || !/policy drop/.test(new TextDecoder().decode(output.stdout))) return [];
  return [
    warning(
      "firewall",
      "Another firewall drops what is forwarded, and so what pods send to other machines.",
      "Allow it: iptables -I FORWARD -i k3ts0 -j ACCEPT; iptables -I FORWARD -o k3ts0 -j ACCEPT",
    ),
  ];
}
