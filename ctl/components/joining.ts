/** How the node of a data directory comes into its cluster: by which name, and with which token. */
import { createClient } from "@connectrpc/connect";
import { hostname } from "node:os";
import { validityOf } from "@k3ts/client";
import { dnsSubdomainProblems } from "@k3ts/model";
import { ClusterService } from "@k3ts/proto";
import type { Connection } from "../connection.ts";
import { Problem } from "../problem.ts";
import { exists, refusalPath } from "./ready.ts";

export interface TokenOptions {
  token?: string;
  tokenFile?: string;
}

/** A node joins as soon as it is started. */
const LOCAL_TOKEN_SECONDS = 600n;
const TOKEN = /^K3TS1\.[0-9a-f]{64}\.[^.\s]+\.[^.\s]+$/i;

/** The node of `up` needs no token from a person; nor does one whose certificate has ended while nothing ran. */
export async function letJoin({ transport }: Connection, dataDir: string, nodeName: string): Promise<void> {
  if (await hasJoined(dataDir)) return;
  const { token } = await createClient(ClusterService, transport).createToken({
    ttlSeconds: LOCAL_TOKEN_SECONDS,
    description: `node ${nodeName}`,
    nodeName,
  });
  await writeToken(dataDir, token);
}

/** Whether the node has a certificate that still holds. */
export async function hasJoined(dataDir: string): Promise<boolean> {
  const path = `${dataDir}/node/node.crt`;
  return await exists(path) && validityOf(await Deno.readTextFile(path)).notAfter > Date.now();
}

/** As an option, which others on this machine may see, from a file, or from standard input. */
export async function readToken({ token, tokenFile }: TokenOptions): Promise<string | undefined> {
  if (token !== undefined && tokenFile !== undefined) {
    throw new Problem("A machine joins with one token: both --token and --token-file are given.");
  }
  const text = tokenFile === undefined
    ? token
    : await (tokenFile === "-" ? new Response(Deno.stdin.readable).text() : Deno.readTextFile(tokenFile))
      .catch((error) => {
        throw new Problem(`--token-file must be a file that can be read: ${error.message}.`);
      });
  if (text !== undefined && !TOKEN.test(text.trim())) {
    throw new Problem("The token must have the form K3TS1.<hash of the CA>.<id>.<secret>: it has another.");
  }
  return text?.trim();
}

export async function writeToken(dataDir: string, token: string): Promise<void> {
  await Deno.mkdir(`${dataDir}/node`, { recursive: true, mode: 0o700 });
  await Deno.remove(refusalPath(dataDir)).catch(() => {}); // what was said of another token, if anything
  await Deno.writeTextFile(`${dataDir}/node/token.next`, token, { mode: 0o600 });
  await Deno.rename(`${dataDir}/node/token.next`, `${dataDir}/node/token`);
}

/** A node keeps the name that it was first given. */
export async function nodeNameOf(dataDir: string, given: string | undefined): Promise<string> {
  const saved = (await Deno.readTextFile(`${dataDir}/node/name`).catch(() => "")).trim();
  if (saved !== "" && given !== undefined && given !== saved) {
    throw new Problem(`The node of ${dataDir} keeps its name "${saved}": it cannot be called "${given}".`);
  }
  const name = saved || (given ?? hostname().toLowerCase());
  const [problem] = dnsSubdomainProblems(name);
  if (problem !== undefined) {
    throw new Problem(`This machine cannot be called "${name}": ${problem}.`, "Give it another name with --node-name.");
  }
  return name;
}
