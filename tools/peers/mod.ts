/**
 * Programs by others that k3ts is tested with and measured beside: each is built or installed when it is first
 * asked for, and kept outside of the checkout. `deno task peers` makes all of them.
 */
import { createHash } from "node:crypto";
import { ensurePackages, packageVersion } from "../debian.ts";
import { removeIfThere } from "../files.ts";
import { which } from "../run.ts";
import { freeMegabytes, keep, megabytesOf, PEERS_FOLDER, type State, stateOf, withBuildLock } from "./cache.ts";
import { ALONE_MB, TOGETHER_MB } from "./disk.ts";
import { compileCrate } from "./cargo.ts";
import {
  collectFiles,
  compile,
  compileOwn,
  type GoOptions,
  openWork,
  prepareModule,
  requireGo,
  WORK_FOLDER,
} from "./go.ts";
import { type Candidate, gigabytes, type Plan, planPeers, tooLittleDisk } from "./plan.ts";
import { type Peer, PEER_NAMES, type PeerName, PEERS } from "./table.ts";
import { elapsed } from "../elapsed.ts";

export { PEER_NAMES, type PeerName, PEERS_FOLDER };
export { GO_VERSIONS } from "./versions.ts";
export { choosePeers, UnknownPeer } from "./plan.ts";

export interface Result {
  name: PeerName;
  version: string;
  /** Where it lies. */
  path?: string;
  how: "cached" | "built" | "installed" | "failed";
  /** Only of those that were made now. */
  seconds?: number;
  error?: Error;
}

export interface PeerOptions {
  /** Told what goes on, in lines that are to stay. */
  say?: (line: string) => void;
  /** Told how far the current step is, often: a line that replaces the one before. @default say, every 10 s */
  status?: (line: string) => void;
  signal?: AbortSignal;
  /** Reads every program that is there from end to end instead of trusting its size and time. */
  thorough?: boolean;
}

/** @returns the path of a program, which is built or installed when it is not there. @throws when it cannot be */
export async function ensurePeer(name: PeerName, say?: (line: string) => void): Promise<string> {
  const [result] = await ensurePeers([name], { say });
  if (result!.error !== undefined) throw result!.error;
  return result!.path!;
}

/**
 * Makes several at once, which is much faster than one by one: what they share is compiled once.
 * Those that can be made are made, even when others fail.
 * @throws when nothing can be started: too little disk, no compiler
 */
export async function ensurePeers(names: readonly PeerName[], options: PeerOptions = {}): Promise<Result[]> {
  const say = options.say ?? console.error;
  const made = new Map<PeerName, Result>();
  const look = (at: readonly PeerName[]) => statesOf(at, options.thorough ?? false);
  const plan = await makePlan(names, await look(names));
  // The package manager lets one in at a time by itself: nobody waits for a compiler here.
  if (plan.packages.length > 0) await install(plan.packages as PeerName[], made, { ...options, say });
  if (plan.builds.length > 0) {
    const wanted = plan.builds.flatMap((build) => build.names as PeerName[]);
    const isDone = async () => {
      const states = await look(wanted);
      return wanted.every((name) => states.get(name) === "sound");
    };
    await withBuildLock(async () => {
      const states = await look(wanted); // another process may have had its turn meanwhile
      for (const [name, state] of states) {
        if (state === "damaged") say(`${name} is not as it was built: building it again`);
      }
      await buildAll(await makePlan(wanted, states), made, { ...options, say });
    }, { isDone, onWait: () => say("Another process builds peers: waiting for it"), signal: options.signal });
  }
  return await Promise.all(names.map((name) => made.get(name) ?? resultOf(name, "cached")));
}

/** @throws when the disk has no room for it */
async function makePlan(names: readonly PeerName[], states: ReadonlyMap<PeerName, State>): Promise<Plan> {
  const plan = planPeers(names.map(candidate), states, TOGETHER_MB, await freeMegabytes(PEERS_FOLDER));
  const problem = tooLittleDisk(plan, PEERS_FOLDER);
  if (problem !== undefined) throw new Error(problem);
  return plan;
}

/** Where a program lies, whether it is there or not. */
async function placeOf(name: PeerName): Promise<string | undefined> {
  const peer = PEERS[name];
  if (peer.kind === "debian") return await which(peer.program);
  const program = peer.kind === "go" ? peer.program ?? name : name;
  return `${PEERS_FOLDER}/bin/${program}-${await versionOf(peer)}`;
}

async function versionOf(peer: Peer): Promise<string> {
  if (peer.kind === "debian") return await packageVersion(peer.package) ?? peer.version;
  return peer.kind === "own-go" ? await hashOf(peer.folder) : peer.version;
}

async function statesOf(names: readonly PeerName[], thorough: boolean): Promise<Map<PeerName, State>> {
  const states = new Map<PeerName, State>();
  for (const name of names) {
    const place = await placeOf(name);
    if (PEERS[name].kind === "debian") states.set(name, place === undefined ? "absent" : "sound");
    else states.set(name, await stateOf(place!, { thorough }));
  }
  return states;
}

async function resultOf(name: PeerName, how: Result["how"], seconds?: number): Promise<Result> {
  return { name, version: await versionOf(PEERS[name]), path: await placeOf(name), how, seconds };
}

function candidate(name: PeerName): Candidate {
  const peer = PEERS[name];
  return {
    name,
    kind: peer.kind === "debian" ? "package" : "compiled",
    source: peer.kind === "debian" ? "apt" : "module" in peer ? `${peer.module} ${peer.version}` : name,
    aloneMb: ALONE_MB[name],
  };
}

type Outlets = PeerOptions & { say: (line: string) => void };

async function install(
  names: readonly PeerName[],
  made: Map<PeerName, Result>,
  { say, signal }: Outlets,
): Promise<void> {
  const started = Date.now();
  const programs = names.map((name) => PEERS[name]).filter((peer) => peer.kind === "debian");
  try {
    await ensurePackages(programs, say); // never broken off: that would leave packages half installed
    signal?.throwIfAborted();
    for (const name of names) made.set(name, await resultOf(name, "installed", (Date.now() - started) / 1000));
  } catch (error) {
    signal?.throwIfAborted();
    say(messageOf(error));
    for (const name of names) made.set(name, { ...await resultOf(name, "failed"), error: error as Error });
  }
}

async function buildAll(
  { builds, neededMb, freeMb }: Plan,
  made: Map<PeerName, Result>,
  options: Outlets,
): Promise<void> {
  const { say, signal } = options;
  const names = builds.flatMap((build) => build.names as PeerName[]);
  if (names.length === 0) return;
  const steps = names.length === 1 ? "One program" : `${names.length} programs`;
  say(`${steps} to build, with up to ${gigabytes(neededMb)} of disk meanwhile: ${gigabytes(freeMb)} are free`);
  if (names.some((name) => PEERS[name].kind !== "cargo")) await requireGo();
  await openWork();
  let failed = false;
  for (const [index, name] of names.entries()) {
    signal?.throwIfAborted();
    const result = await build(name, `[${index + 1}/${names.length}]`, options);
    if (result.error !== undefined) failed = true;
    made.set(name, result);
  }
  const mb = await megabytesOf(WORK_FOLDER);
  if (failed) {
    say(`${gigabytes(mb)} of caches are kept in ${WORK_FOLDER} for the next try, which removes them when it succeeds`);
  } else {
    await removeIfThere(WORK_FOLDER);
    say(`Removed what is no longer needed: ${gigabytes(mb)} in ${WORK_FOLDER}`);
  }
}

async function build(
  name: PeerName,
  step: string,
  { say, status, signal }: Outlets,
): Promise<Result> {
  const peer = PEERS[name];
  const version = await versionOf(peer);
  const started = Date.now();
  const head = `${step} ${name} ${version}`;
  say(`${head}: building`);
  const tell = status ?? every(10_000, say);
  const onProgress: GoOptions["onProgress"] = ({ packages, line }) =>
    tell(`${head}: ${packages} packages, ${elapsed(started)}, ${line.slice(0, 80)}`);
  try {
    await keep(await make(name, peer, version, { onProgress, signal }), (await placeOf(name))!);
    const result = await resultOf(name, "built", (Date.now() - started) / 1000);
    say(`${head}: built in ${elapsed(started)}`);
    return result;
  } catch (error) {
    signal?.throwIfAborted();
    say(`${head}: ${messageOf(error)}`);
    return { name, version, how: "failed", error: error as Error };
  }
}

async function make(name: PeerName, peer: Peer, version: string, options: GoOptions): Promise<string> {
  switch (peer.kind) {
    case "go":
      return await compile(name, peer, await prepareModule(peer.module, version, options), options);
    case "own-go":
      return await compileOwn(name, peer, version, options);
    case "go-files":
      return await collectFiles(name, peer, options);
    case "cargo":
      return await compileCrate(name, peer, options);
    case "debian":
      throw new Error(`Cannot compile ${name} as it must have sources: it is the package ${peer.package}`);
  }
}

/** @returns 12 digits that differ when the sources do */
async function hashOf(folder: string): Promise<string> {
  const hash = createHash("sha256");
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) if (/\.go$|^go\.(mod|sum)$/.test(name)) names.push(name);
  for (const name of names.sort()) hash.update(`${name}\0`).update(await Deno.readFile(`${folder}/${name}`));
  return hash.digest("hex").slice(0, 12);
}

function every(ms: number, say: (line: string) => void): (line: string) => void {
  let last = Date.now();
  return (line) => {
    if (Date.now() - last < ms) return;
    last = Date.now();
    say(line);
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
