/** A server over TLS and HTTP/2 with the EchoService, for tests of transports. */
import "reflect-metadata";
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { echoRoutes } from "@k3ts/proto/testing";
import * as x509 from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
export const pki = await issue();

export class TestServer {
  authorization: string | undefined;
  #sessions = new Set<ServerHttp2Session>();
  private constructor(readonly server: Http2SecureServer) {
    server.on("session", (session) => {
      this.#sessions.add(session);
      session.on("close", () => this.#sessions.delete(session));
    });
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#sessions.size;
  }

  static async start(): Promise<TestServer> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const handler = connectNodeAdapter({ routes: echoRoutes() });
    const server = createSecureServer(
      pki.server,
      (request, response) => {
        started.authorization = request.headers.authorization;
        handler(request, response);
      },
    );
    const started = new TestServer(server);
    server.listen(0, "127.0.0.1", resolve);
    await promise;
    return started;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    if (!this.server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.server.close(() => resolve());
    await promise;
  }
}

/** An authority, and what a server and a client of it are started with. */
export async function issue() {
  const keys = await newKeys();
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=authority",
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  const sign = async (name: string) => {
    const own = await newKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${name}`,
      issuer: authority.subject,
      signingKey: keys.privateKey,
      publicKey: own.publicKey,
      signingAlgorithm: ALGORITHM,
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }])],
    });
    const key = await crypto.subtle.exportKey("pkcs8", own.privateKey);
    return { certificate: certificate.toString("pem"), key: x509.PemConverter.encode(key, "PRIVATE KEY") };
  };
  const caCertificate = authority.toString("pem");
  const { certificate, key } = await sign("server");
  return { server: { cert: certificate, key, ca: caCertificate }, client: { caCertificate, ...await sign("client") } };
}

async function newKeys(): Promise<CryptoKeyPair> {
  return await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as CryptoKeyPair;
}
