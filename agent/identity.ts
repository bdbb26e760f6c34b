/** Who this node is to the cluster: its certificate, its key, and the CA that it trusts. */
import { readTextIfThere } from "./files.ts";
import type { Paths } from "./paths.ts";

export interface Identity {
  certificate: string;
  key: string;
  ca: string;
}

/** Undefined when this machine has not joined yet. */
export async function readIdentity(paths: Paths): Promise<Identity | undefined> {
  const [certificate, key, ca] = await Promise.all([
    readTextIfThere(paths.nodeCertificate),
    readTextIfThere(paths.nodeKey),
    readTextIfThere(paths.caCertificate),
  ]);
  return certificate !== undefined && key !== undefined && ca !== undefined ? { certificate, key, ca } : undefined;
}
