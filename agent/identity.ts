/** Who this node is to the cluster: its certificate, its key, and the CA that it trusts. */
import { type KeyPair, readKeyPair, replaceKeyPair, validityOf } from "@k3ts/client";
import { exists, readTextIfThere, writeAtomically } from "./files.ts";
import type { Paths } from "./paths.ts";

export interface Identity extends KeyPair {
  ca: string;
}

/**
 * Undefined when this machine has not joined yet; also when its certificate has ended and there is a token to join with
 * again. Without one an ended certificate is all that the node has.
 */
export async function readIdentity(paths: Paths, tokenFile: string, now: number): Promise<Identity | undefined> {
  const [pair, ca] = await Promise.all([readKeyPair(pathOf(paths)), readTextIfThere(paths.caCertificate)]);
  if (pair === undefined || ca === undefined) return undefined;
  if (validityOf(pair.certificate).notAfter <= now && await exists(tokenFile)) return undefined;
  return { ...pair, ca };
}

export async function replaceCertificate(paths: Paths, pair: KeyPair): Promise<void> {
  await replaceKeyPair(pathOf(paths), pair, writeAtomically);
}

/** Of both files, without what follows the dot. */
function pathOf({ nodeCertificate }: Paths): string {
  return nodeCertificate.replace(/\.crt$/, "");
}
