/**
 * Makes this machine a node of a cluster: exchanges a join token for a client certificate.
 *
 * The token carries the hash of the cluster's CA, so that the server is known before it is told the secret.
 */
import { createHash } from "node:crypto";
import { connect as connectTls, type DetailedPeerCertificate } from "node:tls";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { backoffMs, createHttp2Transport, delay } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import { ClusterService, type JoinResponse } from "@k3ts/proto";
import "reflect-metadata"; // @peculiar/x509 resolves its parts with it
import { PemConverter, Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { exists, readTextIfThere, removeIfThere, writeAtomically } from "./files.ts";
import { type Identity, replaceCertificate } from "./identity.ts";
import type { Paths } from "./paths.ts";

export interface JoinToken {
  /** Lower-case hex. */
  caSha256: string;
  /** `<id>.<secret>`, what the server asks for. */
  secret: string;
}

/** Trying again would not help: somebody has to do something about it. */
export class JoinRefused extends Error {
  override name = "JoinRefused";
}

export function parseToken(text: string): JoinToken {
  const match = /^K3TS1\.([0-9a-fA-F]{64})\.([^.\s]+\.[^.\s]+)$/.exec(text.trim());
  if (match === null) {
    throw new JoinRefused(
      "Cannot join as the token must have the form K3TS1.<hash of the CA>.<id>.<secret>: it has another",
    );
  }
  return { caSha256: match[1]!.toLowerCase(), secret: match[2]! };
}

export interface JoinOptions {
  paths: Paths;
  /** https://127.0.0.1:6443 */
  server: string;
  tokenFile: string;
  nodeName: string;
  log: Log;
  signal: AbortSignal;
}

/** What a server says that will say the same again. */
const FINAL: readonly Code[] = [
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.AlreadyExists,
  Code.InvalidArgument,
  Code.FailedPrecondition,
];

/**
 * Tries for as long as it takes to reach the server; the token may also come later. The token's file is removed when it
 * has been used.
 * @throws {JoinRefused} when this token and this server will never do
 */
export async function join(options: JoinOptions): Promise<{ identity: Identity; response: JoinResponse }> {
  const { paths, log, signal } = options;
  await waitForToken(options);
  // The same each time: by its key the server knows a machine again whose answer was lost.
  const request = await requestOf(options);
  for (let failures = 1;; failures++) {
    try {
      const joined = await joinOnce(options, request);
      await writeAtomically(paths.caCertificate, joined.identity.ca);
      // Last: with it the node counts as joined.
      await replaceCertificate(paths, joined.identity);
      await removeIfThere(options.tokenFile);
      await removeIfThere(keyFile(paths));
      return joined;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof JoinRefused) throw error;
      log.error("Cannot join the cluster yet", error, { server: options.server });
      await delay(Math.max(200, backoffMs(failures, { initialMs: 500, maxMs: 5_000 })), signal);
    }
  }
}

/** The server writes it when it has started; or somebody brings it. */
async function waitForToken({ tokenFile, log, signal }: JoinOptions): Promise<void> {
  for (let looks = 1; !await exists(tokenFile); looks++) {
    if (looks === 1) log.info("Waiting for a join token", { file: tokenFile });
    await delay(Math.min(100 * looks, 2_000), signal);
  }
}

/** The key that this machine joins with, until it has. */
function keyFile({ node }: Paths): string {
  return `${node}/joining.key`;
}

async function requestOf({ paths, nodeName }: JoinOptions): Promise<CertificateRequest> {
  const request = await makeRequest(nodeName, await readTextIfThere(keyFile(paths)));
  await writeAtomically(keyFile(paths), request.key);
  return request;
}

async function joinOnce(
  options: JoinOptions,
  { request, key }: CertificateRequest,
): Promise<{ identity: Identity; response: JoinResponse }> {
  const text = await readTextIfThere(options.tokenFile);
  if (text === undefined) {
    throw new Error(`Cannot join as the token must be in "${options.tokenFile}": there is no such file`);
  }
  const token = parseToken(text);
  const ca = await findAuthority(options, token.caSha256);
  using transport = createHttp2Transport({ url: options.server, caCertificate: ca });
  const response = await callJoin(transport, token, options.nodeName, request, options.signal);
  return { identity: { certificate: response.certificate, key, ca: response.caCertificate || ca }, response };
}

async function callJoin(
  transport: Transport,
  token: JoinToken,
  nodeName: string,
  certificateRequest: Uint8Array<ArrayBuffer>,
  signal: AbortSignal,
): Promise<JoinResponse> {
  const client = createClient(ClusterService, transport);
  try {
    return await client.join({ token: token.secret, nodeName, certificateRequest }, { signal, timeoutMs: 15_000 });
  } catch (error) {
    const { code, rawMessage, isWireError } = ConnectError.from(error);
    throw isWireError && FINAL.includes(code) ? new JoinRefused(rawMessage, { cause: error }) : error;
  }
}

export interface CertificateRequest {
  /** PKCS #10, DER. */
  request: Uint8Array<ArrayBuffer>;
  /** PEM, PKCS #8. */
  key: string;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };

/** The request to certify a key. The server decides on the subject. @param existing PEM. @default a new key */
export async function makeRequest(nodeName: string, existing?: string): Promise<CertificateRequest> {
  const keys = existing === undefined
    ? await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"])
    : await importKeys(existing);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: `CN=system:node:${nodeName},O=system:nodes`,
    keys,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
  });
  const key = PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return { request: new Uint8Array(request.rawData), key: `${key}\n` };
}

async function importKeys(pem: string): Promise<CryptoKeyPair> {
  const der = PemConverter.decodeFirst(pem);
  const privateKey = await crypto.subtle.importKey("pkcs8", der, ALGORITHM, true, ["sign"]);
  const { d: _secret, key_ops: _operations, ...jwk } = await crypto.subtle.exportKey("jwk", privateKey);
  const publicKey = await crypto.subtle.importKey("jwk", jwk, ALGORITHM, true, ["verify"]);
  return { privateKey, publicKey };
}

/** The CA's certificate with that hash: from this machine when the server runs here, else from what it shows. */
async function findAuthority({ paths, server }: JoinOptions, sha256: string): Promise<string> {
  const local = await readTextIfThere(`${paths.dataDir}/pki/ca.crt`);
  if (local !== undefined && hashOf(new Uint8Array(PemConverter.decodeFirst(local))) === sha256) return local;
  const shown = await shownCertificates(new URL(server));
  const found = shown.find((one) => hashOf(one) === sha256);
  if (found === undefined) {
    throw new JoinRefused(
      `Cannot trust ${server} as its CA must have the hash ${sha256}, which the token names: it has another`,
    );
  }
  return `${PemConverter.encode(new Uint8Array(found).buffer, "CERTIFICATE")}\n`;
}

function hashOf(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("hex");
}

/** The chain that the server sends. Nothing is sent to it: it is not trusted yet. */
function shownCertificates(url: URL): Promise<Uint8Array[]> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: url.hostname,
      port: Number(url.port || 443),
      rejectUnauthorized: false,
      ...(/[a-z]/i.test(url.hostname) && { servername: url.hostname }),
      timeout: 10_000,
    }, () => {
      const chain: Uint8Array[] = [];
      let one: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
      while (one?.raw !== undefined && chain.length < 8) {
        chain.push(new Uint8Array(one.raw));
        one = one.issuerCertificate === one ? undefined : one.issuerCertificate;
      }
      socket.destroy();
      resolve(chain);
    });
    socket.on("error", reject);
    socket.on("timeout", () => socket.destroy(new Error(`Cannot reach ${url.host} within 10 s`)));
  });
}
