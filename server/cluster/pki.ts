/**
 * The cluster's keys on disk, made when they are missing and renewed before they end. All of them are readable
 * by root only; none is ever shipped or shared between clusters.
 */
import { delay, type KeyPair, readKeyPair, renewalAt, replaceKeyPair, validityOf } from "@k3ts/client";
import type { TokenKeys } from "@k3ts/api";
import { CertificateAuthority, LEAF_MS_DEFAULT, namesOf } from "./certificates.ts";
import { ensureFolder, readIfThere, writeSecret } from "./files.ts";
import { renderKubeconfig } from "./kubeconfig.ts";
import { loadTokenKeys } from "./token_keys.ts";

/** A timer cannot wait for longer than 24 days, and clocks are set. */
const LOOK_MS_MAX = 12 * 60 * 60 * 1000;
const LOOK_MS_MIN = 1_000;
/** After a failure, such as a full disk. */
const RETRY_MS = 10_000;

export interface Pki {
  ca: CertificateAuthority;
  /** Sign service-account tokens. */
  tokenKeys: TokenKeys;
}

export interface PkiOptions {
  dataDir: string;
  /** Every name and address that the API answers to. */
  serverNames: readonly string[];
  /** What the admin's kubeconfig points at. */
  serverUrl: string;
  /** How long certificates hold, other than the CA's own. @default a year */
  lifetimeMs?: number;
  /** ms since the epoch */
  now: () => number;
}

/** Reads or makes `DATA_DIR/pki` and `DATA_DIR/admin.kubeconfig`. */
export async function ensurePki(options: PkiOptions): Promise<Pki> {
  const { dataDir, lifetimeMs = LEAF_MS_DEFAULT, now } = options;
  const folder = `${dataDir}/pki`;
  await ensureFolder(folder);
  const ca = await CertificateAuthority.open(await ensureAuthority(`${folder}/ca`, now), now, lifetimeMs);
  const tokenKeys = await loadTokenKeys(folder);
  await ensureCertificates(ca, options);
  return { ca, tokenKeys };
}

/** Renews in time, until the signal fires. The gateway follows the files by itself. */
export async function keepCertificates(
  ca: CertificateAuthority,
  options: PkiOptions,
  onFault: (error: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    let wait = RETRY_MS;
    try {
      const due = await ensureCertificates(ca, options);
      wait = Math.min(Math.max(due - options.now(), LOOK_MS_MIN), LOOK_MS_MAX);
    } catch (error) {
      onFault(error);
    }
    await delay(wait, signal).catch(() => {}); // the loop looks at the signal
  }
}

/** @returns what is wrong with a certificate that is served; undefined when nothing is */
export async function certificateProblem(path: string, now: number = Date.now()): Promise<string | undefined> {
  const { notBefore, notAfter } = validityOf(await Deno.readTextFile(path));
  if (now >= notAfter) return `the certificate ended at ${new Date(notAfter).toISOString()}`;
  if (now < notBefore) return `the certificate begins at ${new Date(notBefore).toISOString()}`;
  return undefined;
}

/** The server's certificate and the administrator's. @returns when the first of them is due, in ms since the epoch */
async function ensureCertificates(
  ca: CertificateAuthority,
  { dataDir, serverNames, serverUrl, now }: PkiOptions,
): Promise<number> {
  const isFresh = ({ certificate }: KeyPair) => renewalAt(validityOf(certificate)) > now();
  const admin = await ensurePair(
    `${dataDir}/pki/admin`,
    () => ca.issueClient({ user: "admin", groups: ["system:masters"] }),
    isFresh,
  );
  const kubeconfig = renderKubeconfig({
    cluster: "k3ts",
    url: serverUrl,
    caCertificate: ca.pem,
    user: "admin",
    ...admin,
  });
  if (await readIfThere(`${dataDir}/admin.kubeconfig`) !== kubeconfig) {
    await writeSecret(`${dataDir}/admin.kubeconfig`, kubeconfig);
  }
  // Last, since the gateway begins to answer as soon as it is there.
  const server = await ensurePair(
    `${dataDir}/pki/server`,
    () => ca.issueServer("k3ts-server", serverNames),
    (pair) => isFresh(pair) && serverNames.every((name) => namesOf(pair.certificate).includes(name)),
  );
  return Math.min(...[admin, server].map(({ certificate }) => renewalAt(validityOf(certificate))));
}

async function ensurePair(
  path: string,
  make: () => Promise<KeyPair>,
  willDo: (pair: KeyPair) => boolean,
): Promise<KeyPair> {
  const present = await readKeyPair(path);
  if (present !== undefined && willDo(present)) return present;
  const pair = await make();
  await replaceKeyPair(path, pair, writeSecret);
  return pair;
}

/** Made once. Everything that was ever signed hangs on it, so that one that is damaged is never replaced in silence. */
async function ensureAuthority(path: string, now: () => number): Promise<KeyPair> {
  const present = await readKeyPair(path);
  if (present !== undefined) return present;
  for (const file of [`${path}.crt`, `${path}.key`]) {
    if (await readIfThere(file) === undefined) continue;
    throw new Error(
      `Cannot use the cluster's CA as ${path}.crt and ${path}.key must belong together: one is missing or damaged. ` +
        "Bring both back from a backup",
    );
  }
  const pair = await CertificateAuthority.create("k3ts-ca", now);
  await replaceKeyPair(path, pair, writeSecret);
  return pair;
}
