/** What there is to do for the peers that are wanted, and whether the disk has room for it: without doing any of it. */
import { nearest } from "@k3ts/ctl/nearest";
import type { State } from "./cache.ts";

/** What the planner needs to know of a peer. */
export interface Candidate {
  name: string;
  kind: "compiled" | "package";
  /** Peers of the same sources are compiled one after the other, and share much of what is compiled for them. */
  source: string;
  /** MB on the disk while it is made, when it is made alone and from nothing. */
  aloneMb: number;
}

export interface Build {
  source: string;
  names: string[];
}

export interface Plan {
  cached: string[];
  /** Those that the package manager installs, all at once. */
  packages: string[];
  builds: Build[];
  /** What each part takes of the disk while it is made, MB. */
  needs: { what: string; mb: number }[];
  neededMb: number;
  freeMb: number;
}

/** Besides what is needed: other programs write too, and a file system that is full to the brim is slow. */
const RESERVE_MB = 500;

/**
 * @param states a peer that is missing here is absent
 * @param togetherMb what all peers of a source take together when they are made from nothing: no choice takes more
 * @param freeMb of the disk
 */
export function planPeers(
  wanted: readonly Candidate[],
  states: ReadonlyMap<string, State>,
  togetherMb: ReadonlyMap<string, number>,
  freeMb: number,
): Plan {
  const missing = wanted.filter(({ name }) => states.get(name) !== "sound");
  const packages = missing.filter(({ kind }) => kind === "package");
  const bySource = Map.groupBy(missing.filter(({ kind }) => kind === "compiled"), ({ source }) => source);
  const needs = [...bySource].map(([source, peers]) => ({
    what: `${peers.map(({ name }) => name).join(", ")} (${source})`,
    mb: Math.min(sum(peers), togetherMb.get(source) ?? Infinity),
  }));
  if (packages.length > 0) needs.push({ what: packages.map(({ name }) => name).join(", "), mb: sum(packages) });
  return {
    cached: wanted.filter(({ name }) => states.get(name) === "sound").map(({ name }) => name),
    packages: packages.map(({ name }) => name),
    builds: [...bySource].map(([source, peers]) => ({ source, names: peers.map(({ name }) => name) })),
    needs,
    neededMb: needs.reduce((total, { mb }) => total + mb, needs.length > 0 ? RESERVE_MB : 0),
    freeMb,
  };
}

/** @returns undefined when the disk has room for all of it */
export function tooLittleDisk({ needs, neededMb, freeMb }: Plan, place: string): string | undefined {
  if (neededMb <= freeMb) return undefined;
  return [
    `Cannot build the peers as ${gigabytes(neededMb)} must be free at ${place}: ${gigabytes(freeMb)} are free`,
    ...needs.map(({ what, mb }) => `  ${gigabytes(mb).padStart(8)}  ${what}`),
    `  ${gigabytes(RESERVE_MB).padStart(8)}  left free`,
    `What a build leaves behind is removed when all has been built: name fewer peers to need less at once.`,
  ].join("\n");
}

/**
 * The peers that somebody names; a name without its version means all versions: `kubectl` is kubectl-1.34 and so on.
 * None means all.
 * @throws when a name is none, with what may have been meant
 */
export function choosePeers<Name extends string>(words: readonly string[], names: readonly Name[]): Name[] {
  if (words.length === 0) return [...names];
  const chosen = new Set<Name>();
  for (const word of words) {
    const meant = names.filter((name) => name === word || name.replace(/-\d[\d.]*$/, "") === word);
    if (meant.length === 0) throw new UnknownPeer(word, names);
    for (const name of meant) chosen.add(name);
  }
  return names.filter((name) => chosen.has(name));
}

export class UnknownPeer extends Error {
  override name = "UnknownPeer";
  constructor(word: string, names: readonly string[]) {
    const meant = nearest(word, names);
    super(
      `There is no peer "${word}"${meant === undefined ? "" : `: did you mean "${meant}"?`}\n` +
        `The peers are ${names.join(", ")}`,
    );
  }
}

export function gigabytes(mb: number): string {
  return `${(mb / 1000).toFixed(mb < 1000 ? 2 : 1)} GB`;
}

function sum(peers: readonly Candidate[]): number {
  return peers.reduce((total, { aloneMb }) => total + aloneMb, 0);
}
