/** What is written down of the cluster to try things on: one a machine, so that every shell finds it. */
import { CACHE } from "@k3ts/tools/paths";
import { startOf, sweep } from "../e2e/sweep.ts";

export interface ClusterState {
  /** The name that everything of it begins with. */
  test: string;
  /** Of the process that keeps it: ends with it, and takes it along where it is told to. */
  keeper: { pid: number; start: string };
  /** How many nodes it was asked for. */
  nodes: number;
  serverOnly: boolean;
  /** All nodes are Ready. */
  isReady: boolean;
}

const FOLDER = `${CACHE}/cluster`;
const STATE = `${FOLDER}/state.json`;
/** What the keeper and the processes in the foreground say. */
export const LOG: string = `${FOLDER}/keeper.log`;

/** For every machine of it. */
export function kubeconfigOf(test: string): string {
  return `/tmp/${test}/kubeconfig`;
}

/** A folder for the PATH of whoever is on one of its machines. */
export function programsOf(test: string): string {
  return `/tmp/${test}/bin`;
}

export async function readState(): Promise<ClusterState | undefined> {
  const text = await Deno.readTextFile(STATE).catch(ignoreMissing);
  return text === undefined ? undefined : JSON.parse(text);
}

export async function writeState(state: ClusterState): Promise<void> {
  await Deno.mkdir(FOLDER, { recursive: true });
  await Deno.writeTextFile(`${STATE}.next`, JSON.stringify(state));
  await Deno.rename(`${STATE}.next`, STATE);
}

export async function forgetState(): Promise<void> {
  await Deno.remove(STATE).catch(ignoreMissing);
}

/** One at a time starts a cluster; the others wait. */
export async function lockStart(): Promise<Disposable> {
  await Deno.mkdir(FOLDER, { recursive: true });
  const file = await Deno.open(`${FOLDER}/lock`, { create: true, write: true, mode: 0o600 });
  await file.lock(true);
  return file;
}

/** Whether the process that keeps it is still there. */
export async function isKept({ keeper }: ClusterState): Promise<boolean> {
  return await startOf(keeper.pid) === keeper.start;
}

/** Takes away by force whatever there is, however far it came. */
export async function removeRest({ test }: ClusterState): Promise<void> {
  await sweep(test);
  await forgetState();
}

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
