/**
 * The cluster's own certificate authority: ECDSA P-256 throughout, X.509 by `@peculiar/x509`.
 * Identities stand in the subject as Kubernetes reads them: the common name is the user, each organization a
 * group (kubernetes.io, "X509 client certificates").
 */
import "reflect-metadata"; // @peculiar/x509 resolves its parts with it
import type { KeyPair } from "@k3ts/client";
import * as x509 from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 24 * 60 * 60 * 1000;
const CA_DAYS = 3650;
/** Of every certificate but the CA's own, unless told otherwise. */
export const LEAF_MS_DEFAULT = 365 * DAY_MS;
/** Clocks of joining machines may be behind ours: so far, but no further than a tenth of a certificate's life. */
const SKEW_MS_MAX = 60 * 60 * 1000;

export interface Subject {
  user: string;
  groups: string[];
}

export class CertificateAuthority {
  private constructor(
    private readonly certificate: x509.X509Certificate,
    private readonly signingKey: CryptoKey,
    private readonly now: () => number,
    private readonly leafMs: number,
  ) {}

  /** @param now ms since the epoch */
  static async create(name: string, now: () => number): Promise<KeyPair> {
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: serialNumber(),
      name: subjectName({ user: name, groups: [] }),
      notBefore: new Date(now() - SKEW_MS_MAX),
      notAfter: new Date(now() + CA_DAYS * DAY_MS),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
          true,
        ),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return { certificate: certificate.toString("pem"), key: await exportKey(keys.privateKey) };
  }

  /** @param leafMs how long the certificates that it signs hold */
  static async open(
    pair: KeyPair,
    now: () => number,
    leafMs: number = LEAF_MS_DEFAULT,
  ): Promise<CertificateAuthority> {
    const signingKey = await crypto.subtle.importKey(
      "pkcs8",
      x509.PemConverter.decodeFirst(pair.key),
      ALGORITHM,
      false,
      ["sign"],
    );
    return new CertificateAuthority(new x509.X509Certificate(pair.certificate), signingKey, now, leafMs);
  }

  /** PEM. */
  get pem(): string {
    return this.certificate.toString("pem");
  }

  /** SHA-256 of the certificate in DER, lower-case hex: what a join token carries. */
  async fingerprint(): Promise<string> {
    return new Uint8Array(await crypto.subtle.digest("SHA-256", this.certificate.rawData)).toHex();
  }

  /** A certificate with its key for a server that answers to these names and addresses. The CA follows in the chain. */
  async issueServer(commonName: string, names: readonly string[]): Promise<KeyPair> {
    const keys = await generateKeys();
    const leaf = await this.#sign(
      keys.publicKey,
      { user: commonName, groups: [] },
      x509.ExtendedKeyUsage.serverAuth,
      names,
    );
    return { certificate: leaf + this.pem + "\n", key: await exportKey(keys.privateKey) };
  }

  async issueClient(subject: Subject): Promise<KeyPair> {
    const keys = await generateKeys();
    const leaf = await this.#sign(keys.publicKey, subject, x509.ExtendedKeyUsage.clientAuth, []);
    return { certificate: leaf, key: await exportKey(keys.privateKey) };
  }

  /**
   * Signs a request's key for a subject of our choosing: nothing that the request says of itself is believed.
   * @param request PKCS #10, DER
   * @throws when it is malformed, not signed by its own key, or the key is of a kind that is not good
   */
  async signClientRequest(request: Uint8Array<ArrayBuffer>, subject: Subject): Promise<string> {
    const parsed = parseRequest(request);
    if (!await parsed.verify()) throw new Error("Cannot sign the certificate request as its own signature must verify");
    const publicKey = await parsed.publicKey.export();
    refuseWeakKey(publicKey.algorithm as KeyAlgorithm);
    return await this.#sign(publicKey, subject, x509.ExtendedKeyUsage.clientAuth, []);
  }

  async #sign(
    publicKey: CryptoKey,
    subject: Subject,
    usage: x509.ExtendedKeyUsage,
    names: readonly string[],
  ): Promise<string> {
    const now = this.now();
    const extensions: x509.Extension[] = [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      await x509.AuthorityKeyIdentifierExtension.create(this.certificate),
    ];
    if (names.length > 0) {
      extensions.push(
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isAddress(value) ? "ip" as const : "dns" as const, value })),
        ),
      );
    }
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject: subjectName(subject),
      issuer: this.certificate.subjectName,
      notBefore: new Date(now - Math.min(SKEW_MS_MAX, this.leafMs / 10)),
      // Never longer than what it is believed by.
      notAfter: new Date(Math.min(now + this.leafMs, this.certificate.notAfter.getTime())),
      signingAlgorithm: ALGORITHM,
      publicKey,
      signingKey: this.signingKey,
      extensions,
    });
    return certificate.toString("pem") + "\n";
  }
}

/** The names and addresses that a certificate (the first of a PEM) is for. */
export function namesOf(pem: string): string[] {
  const certificate = new x509.X509Certificate(x509.PemConverter.decodeFirst(pem));
  return certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items.map(({ value }) => value) ?? [];
}

function parseRequest(request: Uint8Array<ArrayBuffer>): x509.Pkcs10CertificateRequest {
  try {
    return new x509.Pkcs10CertificateRequest(request);
  } catch (cause) {
    throw new Error("Cannot sign the certificate request as it must be PKCS #10 in DER: it cannot be read", { cause });
  }
}

type KeyAlgorithm = { name: string; namedCurve?: string; modulusLength?: number };

/** RSA keys of less are broken, of more cost every handshake too much. */
const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 4096;

function refuseWeakKey({ name, namedCurve, modulusLength = 0 }: KeyAlgorithm): void {
  const good = name === "ECDSA"
    ? namedCurve === "P-256" || namedCurve === "P-384"
    : name === "Ed25519" || (name.startsWith("RSA") && modulusLength >= RSA_BITS_MIN && modulusLength <= RSA_BITS_MAX);
  if (good) return;
  throw new Error(
    `Cannot sign the certificate request as its key must be ECDSA on P-256 or P-384, Ed25519, or RSA of ` +
      `${RSA_BITS_MIN} to ${RSA_BITS_MAX} bits: it is ${name} ${namedCurve ?? modulusLength}`,
  );
}

function subjectName({ user, groups }: Subject): x509.Name {
  return new x509.Name([...groups.map((group) => ({ O: [group] })), { CN: [user] }]);
}

/** Positive, 126 bits (RFC 5280, section 4.1.2.2). */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = bytes[0]! & 0x3f | 0x40;
  return bytes.toHex();
}

function isAddress(name: string): boolean {
  return /^[0-9.]+$/.test(name) || name.includes(":");
}

async function generateKeys(): Promise<CryptoKeyPair> {
  return await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

async function exportKey(key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY") + "\n";
}
