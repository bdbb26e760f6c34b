/**
 * The cluster's keys on disk, made when they are missing and renewed before they end. All of them are readable
 * by root only; none is ever shipped or shared between clusters.
 */
import { CertificateAuthority, type KeyPair, readCertificate } from "./certificates.ts";
import { ensureFolder, readIfThere, writeSecret } from "./files.ts";
import { renderKubeconfig } from "./kubeconfig.ts";

/** A certificate with less than this left is made anew. */
const RENEW_BEFORE_MS = 30 * 24 * 60 * 60 * 1000;
const SIGNING = { name: "ECDSA", namedCurve: "P-256" } as const;

export interface Pki {
  ca: CertificateAuthority;
  /** Signs service-account tokens (ES256). */
  serviceAccountKey: CryptoKeyPair;
}

export interface PkiOptions {
  dataDir: string;
  /** Every name and address that the API answers to. */
  serverNames: readonly string[];
  /** What the admin's kubeconfig points at. */
  serverUrl: string;
  /** ms since the epoch */
  now: () => number;
}

/** Reads or makes `DATA_DIR/pki` and `DATA_DIR/admin.kubeconfig`. */
export async function ensurePki({ dataDir, serverNames, serverUrl, now }: PkiOptions): Promise<Pki> {
  const folder = `${dataDir}/pki`;
  await ensureFolder(folder);
  const ca = await CertificateAuthority.open(
    await ensurePair(`${folder}/ca`, () => CertificateAuthority.create("k3ts-ca", now), () => true),
    now,
  );
  const isFresh = (pair: KeyPair) => readCertificate(pair.certificate).notAfter - now() > RENEW_BEFORE_MS;
  const serviceAccountKey = await ensureSigningKey(`${folder}/service-account.key`);
  const admin = await ensurePair(
    `${folder}/admin`,
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
  await ensurePair(
    `${folder}/server`,
    () => ca.issueServer("k3ts-server", serverNames),
    (pair) => isFresh(pair) && serverNames.every((name) => readCertificate(pair.certificate).names.includes(name)),
  );
  return { ca, serviceAccountKey };
}

/** `PATH.crt` and `PATH.key`, made when either is missing or when they will not do. The key is written first, so that a certificate is never without one. */
async function ensurePair(
  path: string,
  make: () => Promise<KeyPair>,
  willDo: (pair: KeyPair) => boolean,
): Promise<KeyPair> {
  const certificate = await readIfThere(`${path}.crt`);
  const key = await readIfThere(`${path}.key`);
  if (certificate !== undefined && key !== undefined && willDo({ certificate, key })) return { certificate, key };
  const pair = await make();
  await writeSecret(`${path}.key`, pair.key);
  await writeSecret(`${path}.crt`, pair.certificate);
  return pair;
}

async function ensureSigningKey(path: string): Promise<CryptoKeyPair> {
  const text = await readIfThere(path) ?? await makeSigningKey(path);
  const jwk = JSON.parse(text) as JsonWebKey;
  const { d: _secret, ...publicPart } = jwk;
  return {
    privateKey: await crypto.subtle.importKey("jwk", { ...jwk, key_ops: ["sign"] }, SIGNING, false, ["sign"]),
    publicKey: await crypto.subtle.importKey("jwk", { ...publicPart, key_ops: ["verify"] }, SIGNING, true, ["verify"]),
  };
}

async function makeSigningKey(path: string): Promise<string> {
  const keys = await crypto.subtle.generateKey(SIGNING, true, ["sign", "verify"]);
  const text = JSON.stringify(await crypto.subtle.exportKey("jwk", keys.privateKey));
  await writeSecret(path, text);
  return text;
}
