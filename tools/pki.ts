/** Certificates as a cluster has them, made for one test. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;

export interface Credentials {
  cert: string;
  key: string;
}

export interface Authority extends Credentials {
  /** Its common name. */
  readonly name: string;
  issue(subject: string, options?: { serving?: boolean; expired?: boolean }): Promise<Credentials>;
}

x509.cryptoProvider.set(webcrypto as Crypto);

export async function createAuthority(name: string): Promise<Authority> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  return authorityOf(root, keys.privateKey, await exportKey(keys.privateKey));
}

/** That of a cluster, by its files. */
export async function loadAuthority({ cert, key }: Credentials): Promise<Authority> {
  const bytes = x509.PemConverter.decodeFirst(key);
  return authorityOf(
    new x509.X509Certificate(cert),
    await crypto.subtle.importKey("pkcs8", bytes, ALGORITHM, true, ["sign"]),
    key,
  );
}

function authorityOf(root: x509.X509Certificate, signingKey: CryptoKey, key: string): Authority {
  return {
    name: root.subjectName.getField("CN")[0] ?? "",
    cert: root.toString("pem"),
    key,
    async issue(subject, { serving = false, expired = false } = {}) {
      const own = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
      const usage = serving ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth;
      const names = new x509.SubjectAlternativeNameExtension([
        { type: "dns", value: "localhost" },
        { type: "ip", value: "127.0.0.1" },
      ]);
      const certificate = await x509.X509CertificateGenerator.create({
        subject,
        issuer: root.subject,
        publicKey: own.publicKey,
        signingKey,
        signingAlgorithm: ALGORITHM,
        notBefore: new Date(Date.now() - DAY_MS),
        notAfter: new Date(Date.now() + (expired ? -1000 : DAY_MS)),
        extensions: [new x509.ExtendedKeyUsageExtension([usage]), ...(serving ? [names] : [])],
      });
      return { cert: certificate.toString("pem"), key: await exportKey(own.privateKey) };
    },
  };
}

async function exportKey(key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}
